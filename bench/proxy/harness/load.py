"""The shared upstream, the load generator, and the checks that a proxy really does the work."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time

from process import Process

HOST = "bookinfo.example.com"
BODY_BYTES = 1024
# Every route of the table once, then what must not match.
ACCEPTED = ["/productpage", "/static/app.css", "/login", "/logout", "/api/v1/products/0", "/productpage"]
REFUSED = [(HOST, "/nowhere"), ("unknown.example.com", "/productpage")]


class CheckFailed(Exception):
    """The proxy does not answer as the benchmark needs."""


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until_listening(process, port, seconds=20.0):
    """Returns once the port accepts; fails as soon as the process has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not process.is_running():
            raise CheckFailed(f"ended at start with status {process.exit_status()}: {process.output_tail()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            time.sleep(0.05)
    raise CheckFailed(f"does not listen on 127.0.0.1:{port} after {seconds:.0f} s: {process.output_tail()}")


def check_routes(port):
    """Asks for every route over one kept connection; an answer is 200 with the upstream's 1,024 bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        for path in ACCEPTED:
            status, body = _get(connection, HOST, path)
            if status != 200 or len(body) != BODY_BYTES:
                raise CheckFailed(f"GET {path} gave {status} with {len(body)} bytes instead of 200 with {BODY_BYTES}")
            if connection.sock is None:
                raise CheckFailed(f"GET {path} closed the connection instead of keeping it")
        for host, path in REFUSED:
            status, _ = _get(connection, host, path)
            if status != 404:
                raise CheckFailed(f"GET {path} with host {host} gave {status} instead of 404")
    except (OSError, http.client.HTTPException) as error:
        raise CheckFailed(f"no usable answer: {error!r}") from error
    finally:
        connection.close()


def _get(connection, host, path):
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    return response.status, response.read()


class Upstream:
    """nginx answering 1,024 bytes, with a second port that tells its counters."""

    def __init__(self, nginx, config, core, work_dir, port, counters_port):
        self.port = port
        self._counters_port = counters_port
        self.process = Process(
            "upstream", [nginx, "-e", "stderr", "-p", work_dir, "-c", config, "-g", "daemon off;"], core, work_dir
        )
        try:
            wait_until_listening(self.process, port)
        except CheckFailed:
            self.process.stop()
            raise

    def counters(self):
        """(connections accepted, requests answered), this question included."""
        connection = http.client.HTTPConnection("127.0.0.1", self._counters_port, timeout=5.0)
        try:
            _, body = _get(connection, "localhost", "/counters")
        finally:
            connection.close()
        accepted, _handled, requests = re.search(rb"(\d+) (\d+) (\d+)", body).groups()
        return int(accepted), int(requests)


class Wrk:
    """wrk with one thread on the load core."""

    def __init__(self, path, core, work_dir):
        self._path = path
        self._core = core
        self._work_dir = work_dir
        self._script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "report.lua")
        self._running = None

    def run(self, port, connections, seconds):
        """Runs to the end; the answer is what report.lua printed plus `cpu`, wrk's own CPU seconds."""
        before = os.times()
        self._running = Process(
            "wrk",
            [
                self._path, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
                "--timeout", "5s", "--header", f"Host: {HOST}", "--script", self._script,
                f"http://127.0.0.1:{port}/productpage",
            ],
            self._core,
            self._work_dir,
        )  # fmt: skip
        process = self._running
        deadline = time.monotonic() + seconds + 30.0
        while process.is_running():
            if time.monotonic() > deadline:
                process.stop(patience=1.0)
                raise CheckFailed("wrk did not end")
            time.sleep(0.05)
        self._running = None
        after = os.times()
        with open(process.output_path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("RESULT "):
                    result = json.loads(line[len("RESULT ") :])
                    # The only child that was waited for in this time.
                    result["cpu"] = (
                        after.children_user + after.children_system - before.children_user - before.children_system
                    )
                    return result
        raise CheckFailed(f"wrk gave no result: {process.output_tail()}")

    def stop(self):
        if self._running is not None:
            self._running.stop(patience=1.0)


def problems_of(result, upstream_before, upstream_after, connections):
    """Why the numbers of one measurement must not be believed; empty when they may."""
    problems = []
    for what, text in (
        ("status", "answers of 400 or more"),
        ("connect", "connect errors"),
        ("read", "read errors"),
        ("write", "write errors"),
        ("timeout", "timeouts"),
    ):
        if result[what]:
            problems.append(f"{result[what]} {text}")
    requests = result["requests"]
    if requests == 0:
        return problems + ["no request completed"]
    if result["bytes"] < requests * BODY_BYTES:
        problems.append("answers shorter than the upstream's body")
    accepted = upstream_after[0] - upstream_before[0]
    arrived = upstream_after[1] - upstream_before[1]
    if arrived < requests:
        problems.append(f"only {arrived} of {requests} requests reached the upstream")
    # Growth of the pool is fine, a connection per request is another experiment.
    if accepted > 2 * connections + requests // 100:
        problems.append(f"{accepted} upstream connections for {requests} requests: keep-alive does not hold")
    return problems


def count_lines(path):
    """Lines of an access log, or 0 if there is none."""
    lines = 0
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                lines += chunk.count(b"\n")
    except OSError:
        return 0
    return lines


def prometheus_sum(port, metric):
    """Sum over all series of `metric` at http://127.0.0.1:<port>/stats/prometheus."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        status, body = _get(connection, f"127.0.0.1:{port}", "/stats/prometheus")
    except (OSError, http.client.HTTPException) as error:
        raise CheckFailed(f"no metrics on 127.0.0.1:{port}: {error!r}") from error
    finally:
        connection.close()
    if status != 200:
        raise CheckFailed(f"/stats/prometheus on 127.0.0.1:{port} gave {status} instead of 200")
    return sum_series(body.decode(errors="replace"), metric)


def sum_series(exposition, metric):
    """Sum of `metric` in Prometheus' text format. Label values may hold spaces and braces."""
    pattern = re.compile(r"^" + re.escape(metric) + r"(?:\{.*\})? ([0-9.eE+-]+)", re.MULTILINE)
    return sum(float(value) for value in pattern.findall(exposition))


def version_line(command, pattern):
    """What `pattern` finds in the output of `command`, or `unknown`."""
    if shutil.which(command[0]) is None and not os.path.exists(command[0]):
        return "missing"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"
