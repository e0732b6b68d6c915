"""Time of this process: CPU rather than wall clock where a machine is shared."""

import time
from collections.abc import Callable


def cpu_s(work: Callable[[], object], calls: int) -> float:
    """CPU seconds of this process per call of ``work``."""
    start = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - start) / calls


def wall_s(work: Callable[[], object], calls: int) -> float:
    """Wall-clock seconds per call of ``work``."""
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls
