# SPDX-License-Identifier: Apache-2.0
"""What a server and all its processes have used so far, read from /proc."""

import os
import pathlib
import shutil
import subprocess
from dataclasses import dataclass

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    cpu_seconds: float = 0.0
    written_bytes: int = 0

    def __sub__(self, earlier):
        return Usage(self.cpu_seconds - earlier.cpu_seconds, self.written_bytes - earlier.written_bytes)


def _stat(pid):
    """Fields of /proc/PID/stat after the name, which may hold anything: index 1 is the parent, 11.. the times."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def family(root):
    """`root` and its living descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(name)[1]), []).append(int(name))
            except OSError:
                continue  # ended meanwhile
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def _own_cpu(pid, stat):
    """Of one process. The scheduler's own count has no rounding to ticks, which matters for hundreds of short-lived
    processes; for one with many threads the tick count is what includes threads that have ended."""
    if len(os.listdir(f"/proc/{pid}/task")) == 1:
        return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) * 1e-9
    return (int(stat[11]) + int(stat[12])) * TICK


def usage(root):
    """Children that have ended are in their parent's counts (cutime, cstime; io likewise), the living are added."""
    total = Usage()
    for pid in family(root):
        try:
            stat = _stat(pid)
            cpu = _own_cpu(pid, stat) + (int(stat[13]) + int(stat[14])) * TICK
            io = dict(line.split(": ") for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines())
        except OSError:
            continue  # ended between the listing and the look; the next look finds it in its parent
        total.cpu_seconds += cpu
        total.written_bytes += int(io["write_bytes"])
    return total


def resident_bytes(pid):
    """Of one process: memory it alone has touched (RssAnon), so that shared libraries do not blur it."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no RssAnon for {pid}")


def disk_written_bytes(path):
    """Of the whole device below `path`, by whomever: the file system's own journal too. None: no such count here."""
    device = os.stat(path).st_dev
    try:
        text = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text()
    except OSError:
        return None
    return int(text.split()[6]) * 512


class SyncCounter:
    """Counts fsync and fdatasync of a command and all its children, with perf where the kernel has the tracepoints,
    else with strace. Both slow the counted processes, so counts come from runs of their own."""

    CALLS = ("fsync", "fdatasync", "sync_file_range", "msync")

    def __init__(self, output):
        self.output = pathlib.Path(output)
        self.perf = self._perf()

    @staticmethod
    def _perf():
        if shutil.which("perf") is None:
            return False
        tracing = pathlib.Path("/sys/kernel/tracing")
        if not (tracing / "events").exists():
            done = subprocess.run(["mount", "-t", "tracefs", "none", str(tracing)], check=False, capture_output=True)
            if done.returncode != 0:
                return False
        return (tracing / "events/syscalls/sys_enter_fsync").exists()

    def wrap(self, command):
        if self.perf:
            events = ",".join(f"syscalls:sys_enter_{call}" for call in self.CALLS)
            return ["perf", "stat", "-x", ",", "-o", self.output, "-e", events, "--", *command]
        if shutil.which("strace") is None:
            return None
        return ["strace", "-f", "-qq", "-c", "-o", self.output, "-e", "trace=" + ",".join(self.CALLS), *command]

    def total(self):
        """Once the command has ended."""
        count = 0
        for line in self.output.read_text().splitlines():
            if self.perf:
                fields = line.split(",")
                if len(fields) > 2 and "sys_enter_" in fields[2] and fields[0].isdigit():
                    count += int(fields[0])
            else:
                fields = line.split()
                if fields and fields[-1] in self.CALLS:
                    count += int(fields[3])
        return count
