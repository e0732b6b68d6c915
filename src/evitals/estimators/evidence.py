"""What a battery's segments measure of its capacity, before any of it is believed.

A fold of its own: it needs no health, power or risk, so old trips' evidence is shown again for a
tenth of what their answers cost.
"""

from typing import Any

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.estimators.answer import Segment
from evitals.estimators.capacity import Measurement, bms_soc
from evitals.estimators.rests import RestChain
from evitals.features import FEATURES


class Measurements:
    """The measurements of one battery: ``reset / step / state / restore``, in event order."""

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        self._chain = RestChain(battery)

    def reset(self) -> None:
        """Forget the segments before."""
        self._chain.reset()

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
        chained = self._chain.step(segment)
        if chained is not None:
            found.append(chained)
        return found

    def state(self) -> dict[str, Any]:
        """The rest that waits for the next one; ``restore`` goes on from it."""
        return self._chain.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``."""
        self._chain.restore(state)
