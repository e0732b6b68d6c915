"""From a stretch of telemetry to its features: at once, or sample by sample."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.features import kernel
from evitals.features import state as at
from evitals.features.definitions import FEATURES
from evitals.features.packing import ROUNDING, SIZE, Vector, rounded

SIGNALS_USED = ("current_a", "voltage_v", "temperature_degc", "soc", "speed_mps")
REST_C_RATE = 1 / 50
STEP_C_RATE = 1 / 10
_ABSENT = np.empty(0)
_ABSENT.setflags(write=False)


def parameters(battery: Battery) -> NDArray[np.float64]:
    """What the kernel must know of a battery. Limits are widened by a sensor's resolution."""
    p = np.zeros(at.PARAMETERS)
    limits, sensors = battery.limits, battery.sensors
    p[at.P_CAPACITY] = battery.reference_capacity_ah
    p[at.P_REST_A] = max(
        REST_C_RATE * battery.reference_capacity_ah, 1.5 * sensors.current_resolution_a
    )
    p[at.P_STEP_A] = max(
        STEP_C_RATE * battery.reference_capacity_ah, 10.0 * sensors.current_resolution_a
    )
    p[at.P_V_LOW] = battery.voltage_min_v - sensors.voltage_resolution_v
    p[at.P_V_HIGH] = battery.voltage_max_v + sensors.voltage_resolution_v
    p[at.P_I_LOW] = -limits.discharge_current_a - sensors.current_resolution_a
    p[at.P_I_HIGH] = limits.charge_current_a + sensors.current_resolution_a
    p[at.P_T_LOW] = limits.temperature_min_degc - sensors.temperature_resolution_degc
    p[at.P_T_HIGH] = limits.temperature_max_degc + sensors.temperature_resolution_degc
    return p


def extract(columns: Mapping[str, NDArray[np.generic]], battery: Battery) -> Vector:
    """Features of a stretch of telemetry: float32, shape (len(FEATURES),), NaN where missing.

    ``columns``: equally long 1-D arrays by signal name (``time_s`` in s, not decreasing; any of
    ``SIGNALS_USED``; NaN where missing; others are ignored). Raises InputError naming the column
    where lengths differ, a value is infinite, time is missing or runs backward, or no row is there.
    """
    rows = len(columns["time_s"]) if "time_s" in columns else 0
    vector: Vector = extract_parts(columns, np.array([[0, rows]]), battery)[0]
    return vector


def extract_parts(
    columns: Mapping[str, NDArray[np.generic]], bounds: NDArray[np.int64], battery: Battery
) -> Vector:
    """Features of several stretches of one recording at once: float32, shape (m, len(FEATURES)).

    ``bounds`` (m, 2 or more): the first row of each and the row after its last. Otherwise like
    ``extract``; between stretches time may run backward.
    """
    time_s = _column(columns, "time_s", None)
    if time_s.size == 0:
        raise InputError("time_s", time_s.shape, "holds no sample", "send at least one sample")
    arrays = [_column(columns, name, time_s.size) for name in SIGNALS_USED]
    if not kernel.usable(bounds, time_s, *arrays):
        raise _refusal(time_s, arrays)
    values = np.empty((len(bounds), SIZE))
    out = np.empty((len(bounds), SIZE), dtype=np.float32)
    kernel.run_parts(
        np.empty(at.SIZE),
        parameters(battery),
        bounds,
        *ROUNDING,
        values,
        out,
        out.view(np.uint32),
        time_s,
        *arrays,
    )
    return out


class Stream:
    """The same features sample by sample: ``reset() / step(sample) / vector()``."""

    def __init__(self, battery: Battery) -> None:
        self._p = parameters(battery)
        self._state = np.empty(at.SIZE)
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        kernel.begin(self._state)

    def step(self, sample: Mapping[str, float]) -> None:
        """Fold one sample: ``time_s`` and any of ``SIGNALS_USED`` in their units.

        Raises InputError where the time is missing, not finite or runs backward.
        """
        t = float(sample.get("time_s", np.nan))
        if not np.isfinite(t):
            raise InputError("time_s", t, "is not a time", "drop samples without a time")
        if self._state[at.SAMPLES] and t < self._state[at.TIME_LAST]:
            raise InputError("time_s", t, "runs backward", "reset the stream there")
        values = [float(sample.get(name, np.nan)) for name in SIGNALS_USED]
        if np.isinf(values).any():
            raise InputError("sample", values, "holds an infinite value", "send NaN where missing")
        kernel.step(self._state, self._p, t, *values)

    def vector(self) -> Vector:
        """Features of the samples since ``reset``: what ``extract`` gives for all of them."""
        return _vector(self._state, self._p)


def as_dict(vector: Vector) -> dict[str, float | None]:
    """Features by name; None where missing."""
    return {
        feature.name: None if value != value else float(value)
        for feature, value in zip(FEATURES, vector.tolist(), strict=True)
    }


def _column(
    columns: Mapping[str, NDArray[np.generic]], name: str, size: int | None
) -> NDArray[np.float64]:
    if name not in columns:
        if size is None:
            raise InputError(name, sorted(columns), "is missing", f"send the column {name}")
        return _ABSENT
    try:
        values = np.ascontiguousarray(columns[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, str(error), "is not numeric", "send numbers") from error
    if values.ndim != 1 or (size is not None and values.size != size):
        raise InputError(
            name, values.shape, f"is not a column of {size} rows", "send equal columns"
        )
    if values.flags.writeable:
        # One type for all columns, however they came: the kernels are compiled once.
        values = values.view()
        values.flags.writeable = False
    return values


def _refusal(time_s: NDArray[np.float64], arrays: Sequence[NDArray[np.float64]]) -> InputError:
    """What is wrong with columns that the kernel cannot use."""
    for name, values in zip(("time_s", *SIGNALS_USED), (time_s, *arrays), strict=True):
        if np.isinf(values).any():
            return InputError(name, "inf", "is infinite", "send NaN where a value is missing")
    if np.isnan(time_s).any():
        return InputError("time_s", "NaN", "is not a time", "drop samples without a time")
    k = int(np.flatnonzero(np.diff(time_s) < 0)[0]) + 1
    return InputError(
        "time_s", float(time_s[k]), f"runs backward at row {k}", "cut the recording there"
    )


def _vector(state: NDArray[np.float64], p: NDArray[np.float64]) -> Vector:
    out = np.empty(SIZE)
    kernel.finish(state, p, out)
    return rounded(out)
