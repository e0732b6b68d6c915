"""One file a claim; each has ``NAME`` and ``measure(scale) -> list[Row]``."""

from collections.abc import Callable
from importlib import import_module

from benchmarks.result import Row, Scale

CLAIMS = (
    "inference",
    "voltage_step",
    "trip_features",
    "newest",
    "predict",
    "batch",
    "file_drop",
    "ingest",
    "page",
    "ageing",
    "twin",
)
"""In the order they are run."""


def claim(name: str) -> Callable[[Scale], list[Row]]:
    """The function that measures a claim. Heavy imports happen here."""
    measure: Callable[[Scale], list[Row]] = import_module(f"benchmarks.claims.{name}").measure
    return measure
