"""What a measurement says: series of runs, the bar they must reach, and the verdict."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

Better = Literal["higher", "lower"]
RUNS = 5
"""Fewest runs behind a median."""


class Scale(Struct, frozen=True, kw_only=True):
    """How large a measurement is: ``quick`` shrinks sizes and times, never the number of runs."""

    folder: Path
    """Scratch folder, empty at first."""
    quick: bool = False
    runs: int = RUNS

    def pick(self, full: int, quick: int) -> int:
        """A size for this scale."""
        return quick if self.quick else full


class Bar(Struct, frozen=True, kw_only=True):
    """What must hold: of the ``ratio`` (how many times better than the other way) or of our
    median ``value``; ``goal`` is what we would like."""

    of: Literal["ratio", "value"]
    bound: float
    goal: float | None = None


class Row(Struct, kw_only=True):
    """One figure: ours, the other way's, and whether the bar is reached.

    ``other`` names what ``reference`` holds: the reference programme unless said otherwise.
    """

    claim: str
    quantity: str
    unit: str
    ours: list[float]
    reference: list[float] = field(default_factory=list)
    other: str = "reference"
    better: Better = "lower"
    bar: Bar | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Median of our runs."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; below 1 it is worse. None without another way."""
        if not self.reference:
            return None
        ours, other = self.median, statistics.median(self.reference)
        above, below = (ours, other) if self.better == "higher" else (other, ours)
        return above / below if below else float("inf")

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None where there is none.

        A ratio must be at least its bound; a value at most where lower is better, else at least.
        """
        if self.bar is None:
            return None
        if self.bar.of == "ratio":
            return self.ratio is not None and self.ratio >= self.bar.bound
        if self.better == "lower":
            return self.median <= self.bar.bound
        return self.median >= self.bar.bound


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest run."""
    return min(values), max(values)


def alternate(
    ways: Sequence[Callable[[], float]], runs: int, *, warm: bool = True
) -> list[list[float]]:
    """Run every way ``runs`` times in turn, so that what else the machine does meets all alike.

    With ``warm`` each runs once before, uncounted.
    """
    if warm:
        for way in ways:
            way()
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(runs):
        for way, values in zip(ways, found, strict=True):
            values.append(way())
    return found
