"""A twin's recording in features: cut as the pipeline cuts, by the same kernel."""

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.features.extraction import extract_parts
from evitals.telemetry.trips import pieces_of, rest_limit_a
from evitals.twin.recorder import TwinTrip


def stretches(trip: TwinTrip, battery: Battery) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The drives, charges and rests of a recording: pieces (m, 4) as ``trips.pieces_of`` gives
    them, and their features (m, len(FEATURES)). Nothing is checked or repaired before."""
    columns = trip.columns
    pieces = pieces_of(
        columns["time_s"], columns["current_a"], columns["speed_mps"], rest_limit_a(battery)
    )
    return pieces, extract_parts(columns, pieces, battery)
