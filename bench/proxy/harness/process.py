"""Processes this runner starts: pinned to a core, measured through /proc, ended by their own ids."""

import ctypes
import os
import signal
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1


class ProcessGone(Exception):
    """A process that should be serving has ended."""


def _stat_fields(pid):
    """Fields of /proc/<pid>/stat from the third on; the name before them may hold spaces."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _start_time(pid):
    """When the process began, in ticks since boot; None if there is none or it is a zombie."""
    try:
        fields = _stat_fields(pid)
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _descendants(pid):
    """`pid` and all processes below it, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat_fields(entry)[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue  # It ended while we looked.
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


class Process:
    """One child with everything it forks. Standard output and error go to a file for later quoting."""

    def __init__(self, name, command, core, work_dir, environment=None):
        self.name = name
        self.output_path = os.path.join(work_dir, f"{name}.out")
        libc = ctypes.CDLL(None, use_errno=True)

        def before_exec():
            os.sched_setaffinity(0, {core})
            # If the runner is killed hard, nobody is left to stop the child.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        with open(self.output_path, "wb") as output:
            self._child = subprocess.Popen(  # pylint: disable=consider-using-with
                command,
                cwd=work_dir,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for the runner, which then ends its children in order.
                start_new_session=True,
                preexec_fn=before_exec,
            )

    @property
    def pid(self):
        return self._child.pid

    def is_running(self):
        return self._child.poll() is None

    def exit_status(self):
        """The status it ended with (negative: the signal), or None while it runs."""
        return self._child.poll()

    def output_tail(self, lines=5):
        """The last lines the process printed, on one line."""
        try:
            with open(self.output_path, encoding="utf-8", errors="replace") as file:
                return " / ".join(line.strip() for line in file.readlines()[-lines:] if line.strip())
        except OSError:
            return ""

    def cpu_seconds(self):
        """(user, kernel) seconds used so far by all threads of all processes of the tree."""
        if not self.is_running():
            raise ProcessGone(f"{self.name} ended with status {self._child.returncode}: {self.output_tail()}")
        user = kernel = 0
        for pid in _descendants(self.pid):
            try:
                fields = _stat_fields(pid)
            except OSError:
                continue
            user += int(fields[11])
            kernel += int(fields[12])
        return user / TICKS_PER_SECOND, kernel / TICKS_PER_SECOND

    def rss_kib(self):
        """VmRSS of the largest process of the tree: the only one, or nginx's worker."""
        largest = 0
        for pid in _descendants(self.pid):
            try:
                with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                    for line in file:
                        if line.startswith("VmRSS:"):
                            largest = max(largest, int(line.split()[1]))
            except OSError:
                continue
        return largest

    def stop(self, patience=10.0):
        """Asks with SIGTERM, insists with SIGKILL. Touches only the processes of this tree."""
        if not self.is_running():
            return
        tree = [(pid, _start_time(pid)) for pid in _descendants(self.pid)]
        self._child.terminate()
        try:
            self._child.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        # Whatever is left: a parent that died alone leaves its children to init.
        for pid, started in reversed(tree):
            # The id may belong to a stranger by now; its start time tells.
            if started is not None and _start_time(pid) == started:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self._child.wait()
        # Their ports are free, and the core idle, only once they are gone.
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline and any(s is not None and _start_time(pid) == s for pid, s in tree):
            time.sleep(0.01)


class CoreClock:
    """Busy seconds of one core, and what others than the processes we look at used of it."""

    def __init__(self, core):
        self._label = f"cpu{core}"
        self._started = time.monotonic()
        self._busy_at_start = self._busy()

    def _busy(self):
        with open("/proc/stat", encoding="ascii") as file:
            for line in file:
                fields = line.split()
                if fields[0] == self._label:
                    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
                    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
        raise OSError(f"/proc/stat has no line {self._label}")

    def shares(self, own_seconds):
        """(busy, foreign) shares of the core since the start, each from 0 to 1."""
        elapsed = max(time.monotonic() - self._started, 1e-9)
        busy = self._busy() - self._busy_at_start
        return min(busy / elapsed, 1.0), min(max(busy - own_seconds, 0.0) / elapsed, 1.0)
