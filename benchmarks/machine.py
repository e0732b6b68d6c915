"""What was measured on: processor, memory, load, versions, commit."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "evitals", "numpy", "numba", "polars", "msgspec", "litestar", "granian", "sqlalchemy",
    "onnxruntime", "torch", "cffi", "xgboost-cpu", "pandas", "flask", "gunicorn", "streamlit",
    "uvloop",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """The machine and what is installed; "" for what is not."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "commit": _commit(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def version(name: str) -> str:
    """A package's version; "" where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()
