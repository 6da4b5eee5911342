"""How many cores this process may use: a container's share is less than the machine has, and no library looks."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores by affinity and by the container's quota, rounded up; at least one. Source: the kernel's cgroup-v2.rst."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota(cgroup) or allowed))


def session_threads(cgroup: Path = CGROUP) -> int:
    """Threads for ONNX Runtime; 0 is its own choice, which is good only where a process has the whole machine."""
    cores = usable_cores(cgroup)
    return cores if cores < (os.cpu_count() or 1) else 0


def _quota(cgroup: Path) -> int | None:
    """The quota of version 2 or 1 of control groups, in cores; None where there is none."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        return None if quota in ("max", "-1") else -(-int(quota) // int(period))
    return None
