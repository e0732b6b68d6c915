"""A twin's recording in features: cut as the pipeline cuts, by the same kernel."""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from evitals.battery import Battery
from evitals.features import extract
from evitals.telemetry.recording import Kind
from evitals.telemetry.trips import KINDS, pieces_of, rest_limit_a
from evitals.twin.recorder import TwinTrip


class Stretch(Struct, frozen=True, kw_only=True):
    """A drive, charge or rest of a recording. ``features`` as ``evitals.features.extract``."""

    start_s: float
    """Seconds since 1970 UTC."""
    kind: Kind
    continues: bool
    features: np.ndarray


def stretches(trip: TwinTrip, battery: Battery) -> Iterator[Stretch]:
    """The drives, charges and rests of a recording. Nothing is checked or repaired before."""
    columns = trip.columns
    time_s = columns["time_s"]
    limit_a = rest_limit_a(battery)
    for first, stop, state, follows in pieces_of(
        time_s, columns["current_a"], columns["speed_mps"], limit_a
    ):
        part = columns
        if stop - first < time_s.size:
            part = {name: values[first:stop] for name, values in columns.items()}
        yield Stretch(
            start_s=trip.start_s + float(time_s[first]),
            kind=KINDS[state],
            continues=follows,
            features=extract(part, battery),
        )
