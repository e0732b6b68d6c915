"""A battery's evidence, kept with the fold that found it: a newer trip costs one step."""

from collections.abc import Sequence

from evitals.battery import Battery
from evitals.estimators.evidence import Measurements
from evitals.fleet.records import TripRecord
from evitals.service.fold import segment
from evitals.service.schemas import EvidencePoint, evidence_point


class Followed:
    """One battery's trips as far as they were followed. Not for two threads at once."""

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        self._measurements = Measurements(battery)
        self._digests: list[str] = []
        self._points: list[EvidencePoint] = []

    def leads_to(self, battery: Battery, trips: Sequence[TripRecord]) -> bool:
        """Whether ``trips`` begin with those followed: a late or deleted trip changes that."""
        begin = [trip.digest for trip in trips[: len(self._digests)]]
        return battery == self._battery and begin == self._digests

    def follow(self, trips: Sequence[TripRecord]) -> list[EvidencePoint]:
        """The evidence of all ``trips``, dated and in event order, of which the first ones may
        have been followed before."""
        for trip in trips[len(self._digests) :]:
            measured = self._measurements.step(segment(trip))
            self._points += [evidence_point(one.evidence) for one in measured]
            self._digests.append(trip.digest)
        return list(self._points)
