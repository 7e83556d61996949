"""What processes use, by /proc."""

import collections
import pathlib

NS_PER_US = 1000


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:  # the process has ended
        return ""


def tree(root):
    """Ids of a process and everything below it."""
    children = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = read(entry / "stat")
            if stat:
                children[int(stat.rpartition(")")[2].split()[1])].append(int(entry.name))
    found, rest = [], [root]
    while rest:
        pid = rest.pop()
        found.append(pid)
        rest += children[pid]
    return found


def arguments(pid):
    return [part for part in read(f"/proc/{pid}/cmdline").split("\0") if part]


def cpu_us(pids):
    """Microseconds on a CPU so far, user and system, all threads that live; exact to the nanosecond (`schedstat`)."""
    spent = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            spent += int((read(task).split() or [0])[0])
    return spent / NS_PER_US


def rss_mb(pid):
    """Resident megabytes."""
    return kb(pid, "VmRSS:") / 1024


def kb(pid, field):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0
