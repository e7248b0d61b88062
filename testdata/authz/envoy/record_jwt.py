#!/usr/bin/env python3
"""Asks a running Envoy about tokens and writes its answers to tokens.json beside this file.

The JWT filter is configured the way Istio does it for RequestAuthentication: a rule passes without a token or with
good ones, several rules pass when one does. `mesh-authz/tests/envoy_jwt.rs` compares the crate with the answers.

    ENVOY=/path/to/envoy testdata/authz/envoy/record_jwt.py

Needs Python 3.9 and Envoy. Talks to loopback only.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
from record import ADMIN, PLAIN, await_ready, typed  # noqa: E402

SECRET, OTHER = b"0123456789abcdef0123456789abcdef", b"another secret of the same length"[:32]


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


JWKS = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "k1", "k": b64(SECRET)}]})

# The rules behind each path.
RULES = {
    "/one": [{"issuer": "iss1"}],
    "/audience": [{"issuer": "iss1", "audiences": ["svc", "https://api.example.com/"]}],
    "/three": [{"issuer": "iss1"}, {"issuer": "iss1", "audiences": ["svc"]}, {"issuer": "iss2"}],
    "/header": [{"issuer": "iss1", "fromHeaders": [{"name": "x-token", "prefix": ""}, {"name": "x-other", "prefix": "Key "}]}],
    "/param": [{"issuer": "iss1", "fromParams": ["tok"]}],
    "/cookie": [{"issuer": "iss1", "fromCookies": ["tok"]}],
}


def token(payload=None, header=None, secret=SECRET, raw_payload=None, raw_header=None):
    header = {"alg": "HS256", "kid": "k1", "typ": "JWT", **(header or {})}
    header = {name: value for name, value in header.items() if value is not None}
    payload = {"iss": "iss1", "sub": "s1", **(payload or {})}
    payload = {name: value for name, value in payload.items() if value is not None}
    signed = b64(raw_header or json.dumps(header)) + "." + b64(raw_payload or json.dumps(payload))
    return signed + "." + b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


def cases(now):
    good = token()
    head, body, signature = good.split(".")
    bearer = lambda text: [["authorization", f"Bearer {text}"]]
    made = []

    def ask(path, headers):
        made.append({"path": path, "headers": headers})

    ask("/one", [])
    for text in [
        good, good + " junk", good + ",", " " + good, good + "=", good + "!", "", ".", "..", "a.b.c", "a..b.c", f"{head}..{body}.{signature}",
        f".{good}", f"{good}.", f"{good}.x", f"{head}.{body}", f"{head}.{body}.", f"{head}.{body}.{signature}=", f"{head}=.{body}.{signature}",
        f"{head}.{body}.!!!!", f"!.{body}.{signature}", f"{head}.!.{signature}", signature, f"{head}.{body}.{signature[:-1]}",
    ]:
        ask("/one", bearer(text))
    for value in [f"bearer {good}", f"Basic {good}", f"xx Bearer {good}", "Bearer", "Bearer ,,", f"Bearer  {good}", f"Bearer{good}", f"Bearer Bearer {good}"]:
        ask("/one", [["authorization", value]])
    ask("/one", bearer(good) + bearer(good))
    for claims in [
        {"exp": now + 1000}, {"exp": now - 1000}, {"exp": 0}, {"exp": 1}, {"exp": now - 30}, {"exp": now - 90}, {"exp": now + 0.5}, {"exp": -1}, {"exp": "1"}, {"exp": [1]},
        {"exp": 1e30}, {"nbf": now - 10}, {"nbf": now + 30}, {"nbf": now + 1000}, {"nbf": -1}, {"nbf": "x"}, {"iat": now + 9999}, {"iat": "x"}, {"iat": -1},
        {"iss": "iss2"}, {"iss": None}, {"iss": 1}, {"iss": ""}, {"sub": None}, {"sub": 1}, {"jti": 1}, {"jti": "x"}, {"aud": 1}, {"aud": []}, {"aud": ["a", 1]}, {"aud": "a"},
        {"n": None}, {"deep": {"a": [1, {"b": None}]}},
    ]:
        ask("/one", bearer(token(claims)))
    for header in [
        {"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "hs256"}, {"alg": None}, {"alg": 1}, {"kid": None}, {"kid": "k2"}, {"kid": 1}, {"kid": ""},
        {"typ": "x"}, {"crit": ["x"]},
    ]:
        ask("/one", bearer(token(header=header)))
    for raw in ["", "x", "[]", "1", '"a"', '{"iss":"iss1","iss":"iss1"}', '{"iss":"iss1"', '{"iss":"iss1"} ', '{"iss":"iss1"}x', '{"iss":"iss1","a":1e999}', '{"iss":"iss1",}', "null"]:
        ask("/one", bearer(token(raw_payload=raw)))
        ask("/one", bearer(token(raw_header=raw or " ")))
    ask("/one", bearer(token(raw_header='{"alg":"HS256","alg":"HS256"}')))
    ask("/one", bearer(token(secret=OTHER)))
    for query in [f"access_token={good}", "access_token=", "access_token", f"a=1&access_token={good}", f"Access_Token={good}", f"access_token={good}&access_token=x", f"access_token=x&access_token={good}", f"access%5Ftoken={good}", "access_token=" + good.replace(".", "%2E"), f"access_token={good}%20"]:
        ask(f"/one?{query}", [])
    ask(f"/one?access_token={good}", bearer("x"))
    ask(f"/one?access_token=x", bearer(good))
    for audience in ["svc", "other", ["other", "svc"], "http://svc", "svc/", "https://svc/", "api.example.com", "http://api.example.com", "Svc", None, "", []]:
        ask("/audience", bearer(token({"aud": audience})))
    for claims in [{}, {"aud": "svc"}, {"iss": "iss2"}, {"iss": "iss3"}, {"exp": 1}, {"iss": "iss2", "exp": 1}, {"iss": "iss1", "aud": "other"}]:
        ask("/three", bearer(token(claims)))
    ask("/three", bearer(token(secret=OTHER)))
    ask("/three", bearer(token({"iss": "iss2"}, secret=OTHER)))
    for headers in [
        [["x-token", good]], [["x-token", ""]], [["x-token", "a b"]], [["x-other", f"Key {good}"]], [["x-other", good]], [["x-token", good], ["x-other", "Key x"]],
        [["x-token", good], ["x-token", "x"]], [["x-token", good], ["x-token", good]], [["x-other", "Key"]], [["x-other", "Key "]], bearer("x"), [["x-token", f" {good} "]],
        [["x-token", good + " junk"]], [["x-other", f"Key {good} junk"]], [["x-other", f"a Key b Key {good}"]],
    ]:
        ask("/header", headers)
    for query in [f"tok={good}", "tok=", "tok=x", "access_token=x", f"TOK={good}"]:
        ask(f"/param?{query}", [])
    ask("/param", bearer("x"))
    for cookie in [f"tok={good}", f"a=1; tok={good}", "tok=x", "tok=", f'tok="{good}"', f"TOK={good}", f"tok={good}; tok=x", f"a=tok={good}"]:
        ask("/cookie", [["cookie", cookie]])
    preflight = [["origin", "https://a.example"], ["access-control-request-method", "GET"]]
    made.append({"method": "OPTIONS", "path": "/one", "headers": bearer("x") + preflight})
    made.append({"method": "OPTIONS", "path": "/one", "headers": bearer("x") + preflight[:1]})
    made.append({"method": "GET", "path": "/one", "headers": bearer("x") + preflight})
    ask("/one/" + "a" * 300, bearer("x"))
    ask("/one?q=%22quoted%22", bearer("x"))
    return made


def bootstrap(directory):
    providers, rules = {}, []
    for path, given in RULES.items():
        single, every = [], []
        for number, rule in enumerate(sorted(given, key=lambda rule: rule["issuer"])):
            name = f"{path[1:]}-{number}"
            provider = {"issuer": rule["issuer"], "local_jwks": {"inline_string": JWKS}, "payload_in_metadata": "payload"}
            if "audiences" in rule:
                provider["audiences"] = rule["audiences"]
            if "fromHeaders" in rule:
                provider["from_headers"] = [{"name": each["name"], "value_prefix": each["prefix"]} for each in rule["fromHeaders"]]
            if "fromParams" in rule:
                provider["from_params"] = rule["fromParams"]
            if "fromCookies" in rule:
                provider["from_cookies"] = rule["fromCookies"]
            providers[name] = provider
            single.append({"provider_name": name})
            every.append({"requires_any": {"requirements": [{"provider_name": name}, {"allow_missing": {}}]}})
        requires = every[0] if len(every) == 1 else {"requires_any": {"requirements": [*single, {"requires_all": {"requirements": every}}]}}
        rules.append({"match": {"prefix": path}, "requires": requires})
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="record",
        http_filters=[
            {"name": "jwt", "typed_config": typed("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", providers=providers, rules=rules, bypass_cors_preflight=True)},
            {"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router")},
        ],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": ""}, "direct_response": {"status": 200}}]}]},
    )
    address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "admin": {"address": address(ADMIN)},
        "static_resources": {"listeners": [{"name": "plain", "address": address(PLAIN), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}]},
    }


def send(case):
    connection = http.client.HTTPConnection("127.0.0.1", PLAIN, timeout=10)
    connection.putrequest(case.get("method", "GET"), case["path"], skip_host=True, skip_accept_encoding=True)
    connection.putheader("host", "example.com")
    for name, value in case["headers"]:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return [response.status, body, response.getheader("www-authenticate")]


def main():
    binary = os.environ.get("ENVOY", "envoy")
    now = int(time.time())
    asked = cases(now)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "envoy.json").write_text(json.dumps(bootstrap(directory)))
        envoy = subprocess.Popen([binary, "-c", directory / "envoy.json", "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"])
        try:
            await_ready(envoy)
            lines = [json.dumps({**case, "answer": send(case)}, separators=(",", ":")) for case in asked]
        finally:
            envoy.terminate()
            envoy.wait()
    version = re.search(r"/(\d+\.\d+\.\d+)", subprocess.run([binary, "--version"], capture_output=True, text=True).stdout)[1]
    head = f'{{"envoy":"{version}","now":{now},"jwks":{json.dumps(JWKS)},"rules":{json.dumps(RULES)},"cases":[\n'
    (Path(__file__).parent / "tokens.json").write_text(head + ",\n".join(lines) + "\n]}\n")
    print(f"{len(lines)} answers of Envoy {version}")


if __name__ == "__main__":
    main()
