"""What a battery's segments measure of its capacity, before any of it is believed.

A fold of its own: it needs no health, power or risk, so old trips' evidence is shown again for a
tenth of what their answers cost.
"""

from typing import Any

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.estimators.answer import Segment
from evitals.estimators.capacity import Measurement, bms_soc
from evitals.estimators.corrections import CorrectionChain
from evitals.estimators.rests import RestChain
from evitals.features import FEATURES


class Measurements:
    """The measurements of one battery: ``reset / step / state / restore``, in event order."""

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        self._chains: dict[str, RestChain | CorrectionChain] = {
            "ocv": RestChain(battery),
            "bms_rest": CorrectionChain(battery),
        }

    def reset(self) -> None:
        """Forget the segments before."""
        for chain in self._chains.values():
            chain.reset()

    def step(self, segment: Segment) -> list[Measurement]:
        """What one segment measures, accepted or refused.

        Raises InputError for a vector of another length.
        """
        if segment.features.shape != (len(FEATURES),):
            raise InputError(
                "features",
                segment.features.shape,
                f"is not ({len(FEATURES)},)",
                "extract the features again with this version",
            )
        found = []
        if segment.kind != "rest":
            found.append(bms_soc(segment, self._battery))
        chained = (chain.step(segment) for chain in self._chains.values())
        return found + [measurement for measurement in chained if measurement is not None]

    def state(self) -> dict[str, Any]:
        """What waits for the next rest, by chain; ``restore`` goes on from it."""
        return {name: chain.state() for name, chain in self._chains.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        if set(state) != set(self._chains):
            raise InputError("state", state, "is not of these chains", "replay the battery's trips")
        for name, chain in self._chains.items():
            chain.restore(state[name])
