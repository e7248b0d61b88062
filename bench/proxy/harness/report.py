"""From measurements to Markdown: medians, spread, ratios, and what must not be believed."""

import os
import platform
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass, field

from peers import ROOT

# The project's bar: at this many connections, CPU per request against each baseline, and memory.
BAR_CONNECTIONS = 64
BAR_RATIOS = {"nginx": 1.25, "envoy": 0.50}
BAR_RSS_MB = 20.0
# A round in which others used more than this share of a core is named below the table.
FOREIGN_SHARE = 0.05


@dataclass
class Measurement:
    """One timed run of wrk against one proxy. `problems` says why it must not be believed."""

    peer: str
    connections: int
    round: int
    requests: int = 0
    seconds: float = 0.0
    user_us: float = 0.0
    kernel_us: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    rss_kib: int = 0
    proxy_core_busy: float = 0.0
    proxy_core_foreign: float = 0.0
    load_core_foreign: float = 0.0
    problems: list = field(default_factory=list)

    @property
    def cpu_us(self):
        return self.user_us + self.kernel_us

    @property
    def requests_per_second(self):
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def rss_mb(self):
        return self.rss_kib * 1024 / 1e6


class Results:
    """All measurements of one invocation."""

    def __init__(self):
        self.all = []

    def add(self, measurement):
        self.all.append(measurement)

    def rows(self, peer, connections):
        return [m for m in self.all if m.peer == peer and m.connections == connections]

    def median(self, peer, connections, value):
        """Median over the believable rounds, or None if there is none."""
        values = [value(m) for m in self.rows(peer, connections) if not m.problems]
        return statistics.median(values) if values else None

    def ratio(self, peer, baseline, connections):
        """Median of the ratios of CPU per request within each round, so that a slow hour hits both sides."""
        base = {m.round: m.cpu_us for m in self.rows(baseline, connections) if not m.problems and m.cpu_us}
        ratios = [
            m.cpu_us / base[m.round]
            for m in self.rows(peer, connections)
            if not m.problems and m.round in base
        ]
        return statistics.median(ratios) if ratios else None

    def to_json(self):
        return [{**asdict(m), "cpu_us": m.cpu_us, "requests_per_second": m.requests_per_second} for m in self.all]


def _spread(values, form):
    """`median (least–most)`; one value stands alone."""
    text = form(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({form(min(values))}–{form(max(values))})"


def _ratio_text(ratio):
    return "–" if ratio is None else f"{ratio:.2f}"


def table(results, peers, skipped, connections):
    """The Markdown table for one number of connections."""
    lines = [
        f"#### {connections} connections",
        "",
        "| proxy | CPU µs/request | user + kernel | × nginx | × Envoy | requests/s | p50 ms | p99 ms | RSS MB | core busy |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for peer in peers:
        if peer.key in skipped:
            lines.append(f"| {peer.title} | skipped: not found | | | | | | | | |")
            continue
        good = [m for m in results.rows(peer.key, connections) if not m.problems]
        bad = [m for m in results.rows(peer.key, connections) if m.problems]
        if bad or not good:
            reason = "; ".join(dict.fromkeys(p for m in bad for p in m.problems)) or "not measured"
            lines.append(f"| {peer.title} | **invalid**: {_cell(reason)} | | | | | | | | |")
            continue

        def median(value, good=good):
            return statistics.median(value(m) for m in good)

        cells = [
            peer.title,
            _spread([m.cpu_us for m in good], lambda v: f"{v:.1f}"),
            f"{median(lambda m: m.user_us):.1f} + {median(lambda m: m.kernel_us):.1f}",
            _ratio_text(results.ratio(peer.key, "nginx", connections)),
            _ratio_text(results.ratio(peer.key, "envoy", connections)),
            _spread([m.requests_per_second for m in good], lambda v: f"{v:,.0f}"),
            f"{median(lambda m: m.p50_us) / 1000:.2f}",
            _spread([m.p99_us / 1000 for m in good], lambda v: f"{v:.2f}"),
            f"{median(lambda m: m.rss_mb):.1f}",
            f"{median(lambda m: m.proxy_core_busy):.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(text):
    """A text that cannot break the table."""
    return text.replace("|", "\\|").replace("\n", " ")[:300]


def noise(results):
    """Says how much other work disturbed the measurement, naming the worst rounds."""
    disturbed = []
    for m in results.all:
        share, where = max((m.proxy_core_foreign, "proxy"), (m.load_core_foreign, "load"))
        if share > FOREIGN_SHARE:
            disturbed.append((share, f"{m.peer}/{m.connections}/round {m.round} ({share:.0%} of the {where} core)"))
    if not disturbed:
        return f"Other work took at most {FOREIGN_SHARE:.0%} of either core in every round."
    disturbed.sort(reverse=True)
    worst = ", ".join(text for _, text in disturbed[:5])
    return (
        f"**Disturbed**: other work took more than {FOREIGN_SHARE:.0%} of a core in {len(disturbed)} of "
        f"{len(results.all)} measurements; worst: {worst}."
    )


def bar(results, connections):
    """(text, met) of the project's bar; `met` is None when a part of it was not measured."""
    if BAR_CONNECTIONS not in connections:
        return f"Bar: not judged, {BAR_CONNECTIONS} connections were not measured.", None
    parts, verdicts = [], []
    for baseline, limit in BAR_RATIOS.items():
        ratio = results.ratio("mesh", baseline, BAR_CONNECTIONS)
        verdicts.append(None if ratio is None else ratio <= limit)
        found = "not measured" if ratio is None else f"{ratio:.2f}"
        parts.append(f"CPU per request / {baseline} {found} (at most {limit:.2f}{_verdict(verdicts[-1])})")
    rss = results.median("mesh", BAR_CONNECTIONS, lambda m: m.rss_mb)
    verdicts.append(None if rss is None else rss < BAR_RSS_MB)
    found = "not measured" if rss is None else f"{rss:.1f} MB"
    parts.append(f"RSS {found} (under {BAR_RSS_MB:.0f} MB{_verdict(verdicts[-1])})")
    met = False if False in verdicts else None if None in verdicts else True
    return f"Bar at {BAR_CONNECTIONS} connections: " + ", ".join(parts) + ".", met


def _verdict(kept):
    return "" if kept is None else ": met" if kept else ": **missed**"


def machine(peers, skipped, options, command):
    """What a reader needs to repeat or to doubt the numbers."""
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    versions = dict((p.title.partition(" (")[0], p.version) for p in peers if p.key not in skipped)
    return "\n".join(
        [
            f"- Machine: {model}, {os.cpu_count()} cores, Linux {platform.release()}; "
            f"proxy on core {options.proxy_core}, wrk and upstream on core {options.load_core}",
            "- Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + f"; commit {_commit()}",
            f"- Method: median (least–most) of {options.rounds} interleaved rounds of {options.seconds} s after "
            f"{options.warmup} s of warm-up; GET /productpage, 1,024-byte body, HTTP/1.1 keep-alive on both sides",
            f"- Command: `{command}`, {time.strftime('%Y-%m-%d', time.gmtime())}",
        ]
    )


def _commit():
    try:
        head = subprocess.run(
            ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + (" with local changes" if changed else "")
