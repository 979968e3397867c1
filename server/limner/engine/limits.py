"""What one worker may take of the machine, so that workers and the web share it.

Thread pools of numerical libraries are sized before the worker starts, by its environment: most
read it when they are first loaded and never again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from limner.registry import environment_for

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

_SPINNING = {"GOMP_SPINCOUNT": "20000", "KMP_BLOCKTIME": "1"}
"""How long threads that wait for each other keep their processors: some microseconds (GNU), or a
millisecond (Intel, LLVM). Giving them away at once makes a training step half as long again;
keeping them for longer takes them from other workers."""

BACKGROUND_NICE = 10
"""Politeness of a learner: beside a busy predictor it gets about a tenth of a processor's time, and
all of it when the predictor rests."""

_PR_SET_PDEATHSIG = 1

_OOM_SCORE = 500
"""Where the system must kill something for want of memory, workers go before the web process."""

WORKER_SHARE = 0.8
"""Most of the machine's memory that one worker takes, where no limit is set: the system would end
some process beyond that, and not always the one that is at fault."""

_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def processors() -> int:
    """Count the processors that this process may use, containers' limits included."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, round(int(quota) / int(period))))
    return count


def memory_bytes() -> int:
    """Count the memory that this process may use, containers' limits included."""
    total = int(psutil.virtual_memory().total)
    for path in _MEMORY_LIMITS:
        with suppress(OSError, ValueError):
            total = min(total, int(path.read_text()))  # `max` is no number, and no limit
    return total


def worker_memory_bytes(limit_mb: int) -> int:
    """Say how much memory one worker may take, in bytes.

    Args:
        limit_mb: What the settings say, in MiB; 0 leaves `WORKER_SHARE` of the machine to it.
    """
    return limit_mb << 20 if limit_mb else int(WORKER_SHARE * memory_bytes())


def worker_environment(threads: int, *, python: str = "") -> Mapping[str, str]:
    """Make the environment of a worker from this process's own.

    Args:
        threads: Size of every thread pool.
        python: Its interpreter; empty for the server's own.
    """
    environment = environment_for(python)
    environment.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    environment["PYTHONUNBUFFERED"] = "1"  # a worker's last words must not die in a buffer
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    for name, value in _SPINNING.items():
        environment.setdefault(name, value)
    return environment


def settle(*, nice: int, parent: int) -> None:
    """Settle a new worker: polite, first to go when memory is short, never outliving the server.

    Called in the worker before it starts a thread, since niceness is inherited by threads.

    Args:
        nice: Added to its niceness.
        parent: Process id of the server; when it is gone already, this process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then stops us
    if nice:
        os.nice(nice)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
    if os.getppid() != parent:
        os._exit(0)
