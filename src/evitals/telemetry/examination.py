"""A stretch as the checks look at it: each check looks once, however often it is asked.

The doctor asks of a whole recording, the cuts of each of its trips. Where a trip is the whole
recording its examination is the recording's, and nothing is looked at twice.
"""

from collections.abc import Callable, Iterable

import polars as pl

from evitals.battery import Battery
from evitals.telemetry.chart import Chart, chart_of
from evitals.telemetry.recording import Finding, Recording

Check = Callable[[Chart, Battery | None], list[Finding]]


class Examination:
    """A chart, the battery it is of (None: not known), and what was found so far."""

    def __init__(self, chart: Chart, battery: Battery | None) -> None:
        self.chart = chart
        self.battery = battery
        self._found: dict[Check, list[Finding]] = {}

    @classmethod
    def of(cls, stretch: Recording | pl.DataFrame, battery: Battery | None) -> "Examination":
        """Of a recording, which states its level, or of a table of signals."""
        if isinstance(stretch, Recording):
            return cls(chart_of(stretch.table, stretch.level), battery)
        return cls(chart_of(stretch), battery)

    def findings(self, checks: Iterable[Check]) -> list[Finding]:
        """What these checks find, in their order."""
        found: list[Finding] = []
        for check in checks:
            if check not in self._found:
                self._found[check] = check(self.chart, self.battery)
            found += self._found[check]
        return found

    def part(self, first: int, stop: int) -> "Examination":
        """Of rows ``first`` to ``stop``, its time from 0; this one where that is all of it."""
        chart = self.chart.part(first, stop)
        return self if chart is self.chart else Examination(chart, self.battery)
