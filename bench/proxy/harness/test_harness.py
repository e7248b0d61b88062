"""Tests of the runner's own arithmetic: python3 -m unittest discover -s bench/proxy/harness"""

import os
import sys
import tempfile
import time
import unittest

from load import problems_of, sum_series
from peers import PROXY_DIR, Ports, render
from process import Process, ProcessGone, _start_time
from report import Measurement, Results, bar, noise, table


def measurement(peer, round_number, cpu, rss_kib=10_000, **more):
    return Measurement(
        peer, 64, round_number, requests=1000, seconds=1.0, user_us=cpu / 4, kernel_us=cpu * 3 / 4, rss_kib=rss_kib, **more
    )


def results_of(*measurements):
    results = Results()
    for one in measurements:
        results.add(one)
    return results


class Arithmetic(unittest.TestCase):
    def test_ratio_is_taken_within_each_round(self):
        # The machine is three times slower in round 2; the ratio must not see it.
        results = results_of(
            measurement("mesh", 1, 12.0), measurement("nginx", 1, 10.0),
            measurement("mesh", 2, 36.0), measurement("nginx", 2, 30.0),
        )  # fmt: skip
        self.assertAlmostEqual(results.ratio("mesh", "nginx", 64), 1.2)

    def test_invalid_rounds_count_nowhere(self):
        results = results_of(
            measurement("mesh", 1, 12.0), measurement("nginx", 1, 10.0),
            measurement("mesh", 2, 1.0, problems=["7 timeouts"]), measurement("nginx", 2, 30.0),
        )  # fmt: skip
        self.assertAlmostEqual(results.ratio("mesh", "nginx", 64), 1.2)
        self.assertAlmostEqual(results.median("mesh", 64, lambda m: m.cpu_us), 12.0)
        self.assertIsNone(results.ratio("mesh", "envoy", 64))

    def test_bar(self):
        peers = [measurement("nginx", 1, 10.0), measurement("envoy", 1, 30.0)]
        self.assertIs(bar(results_of(measurement("mesh", 1, 12.5), *peers), [64])[1], True)
        self.assertIs(bar(results_of(measurement("mesh", 1, 12.6), *peers), [64])[1], False)
        self.assertIs(bar(results_of(measurement("mesh", 1, 12.5, rss_kib=19_532), *peers), [64])[1], False)
        # What was not measured is not met, and what is missed stays missed.
        self.assertIsNone(bar(results_of(measurement("mesh", 1, 12.5), peers[0]), [64])[1])
        self.assertIs(bar(results_of(measurement("mesh", 1, 99.0), peers[0]), [64])[1], False)
        self.assertIsNone(bar(results_of(measurement("mesh", 1, 12.5), *peers), [16])[1])

    def test_row_with_one_bad_round_is_marked(self):
        class FakePeer:
            key, title = "mesh", "mesh-proxy"

        results = results_of(measurement("mesh", 1, 12.0), measurement("mesh", 2, 12.0, problems=["3 read errors"]))
        self.assertIn("**invalid**: 3 read errors", table(results, [FakePeer], set(), 64))

    def test_noise_names_the_round(self):
        self.assertIn("at most 5%", noise(results_of(measurement("mesh", 1, 12.0, load_core_foreign=0.04))))
        disturbed = results_of(measurement("mesh", 1, 12.0, proxy_core_foreign=0.3))
        self.assertIn("mesh/64/round 1 (30% of the proxy core)", noise(disturbed))


class Checks(unittest.TestCase):
    GOOD = {"requests": 1000, "bytes": 1_200_000, "status": 0, "connect": 0, "read": 0, "write": 0, "timeout": 0}

    def test_good_run(self):
        self.assertEqual(problems_of(self.GOOD, (5, 10), (69, 1011), 64), [])

    def test_each_fault_is_named(self):
        for fault, text in (("status", "400 or more"), ("read", "read errors"), ("timeout", "timeouts")):
            self.assertIn(text, problems_of({**self.GOOD, fault: 1}, (0, 0), (64, 1001), 64)[0])
        self.assertIn("shorter", problems_of({**self.GOOD, "bytes": 1000}, (0, 0), (64, 1001), 64)[0])
        self.assertIn("keep-alive", problems_of(self.GOOD, (0, 0), (1000, 1001), 64)[0])
        self.assertIn("reached the upstream", problems_of(self.GOOD, (0, 0), (64, 12), 64)[0])
        self.assertEqual(problems_of({**self.GOOD, "requests": 0}, (0, 0), (64, 1), 64), ["no request completed"])

    def test_prometheus_sum(self):
        text = (
            "# TYPE istio_requests_total counter\n"
            'istio_requests_total{response_code="200",request_protocol="http"} 41\n'
            'istio_requests_total{response_code="404",note="a } 7"} 1\n'
            "istio_requests_total_other 100\n"
        )
        self.assertEqual(sum_series(text, "istio_requests_total"), 42)


class Configurations(unittest.TestCase):
    def test_ports_are_put_in_and_no_mark_is_left(self):
        ports = Ports(gateway=1111, upstream=2222, counters=3333, admin=4444)
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "out")
            for directory in ("mesh", "peers"):
                for name in os.listdir(os.path.join(PROXY_DIR, directory)):
                    render(f"{directory}/{name}", target, ports, BODY="b", ACCESS_LOG="", REQUEST_ID="")
                    with open(target, encoding="utf-8") as file:
                        text = file.read().replace('"@type"', "")
                    for left in ("@", "127.0.0.1:18", "number: 18", "port: 18", "port_value: 18", "listen 18"):
                        self.assertNotIn(left, text, name)


class Processes(unittest.TestCase):
    def test_cpu_of_a_forked_child_is_counted_and_the_tree_is_stopped(self):
        script = "import os\nif os.fork():\n    os.wait()\nelse:\n    print(os.getpid(), flush=True)\n    while True: pass\n"
        core = min(os.sched_getaffinity(0))
        with tempfile.TemporaryDirectory() as folder:
            process = Process("burner", [sys.executable, "-c", script], core, folder)
            try:
                deadline = time.monotonic() + 20.0
                while sum(process.cpu_seconds()) < 0.3 and time.monotonic() < deadline:
                    time.sleep(0.05)
                self.assertGreaterEqual(sum(process.cpu_seconds()), 0.3)
                self.assertGreater(process.rss_kib(), 1000)
                child = int(process.output_tail())
                self.assertEqual(os.sched_getaffinity(child), {core})
            finally:
                process.stop()
            self.assertFalse(process.is_running())
            # The child does not listen to its parent's end, so it must have been ended too.
            self.assertIsNone(_start_time(child))
            with self.assertRaises(ProcessGone):
                process.cpu_seconds()


if __name__ == "__main__":
    unittest.main()
