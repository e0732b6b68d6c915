"""What the vehicle says of itself: sensors with errors, and a BMS that counts with them.

Errors are drawn once per vehicle, uniform, and unknown to the estimators. The BMS integrates its
own current over its own idea of the capacity while the vehicle drives or charges; parked, its
count stands still. At key-on after at least an hour of parking it sets its SoC to the one read
from the rest voltage (true SoC, up to 1 % off); in between nothing corrects it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Sensors

Floats = NDArray[np.float64]
CAPACITY_ERROR = 0.05
OFFSET_A = 0.5
GAIN_ERROR = 0.01
REST_SOC_ERROR = 0.01
CORRECTING_REST_S = 3600.0
CURRENT_NOISE_A, VOLTAGE_NOISE_V, TEMPERATURE_NOISE_K = 0.1, 0.1, 0.2


@dataclass(frozen=True, slots=True)
class SensorErrors:
    """One vehicle's errors: current offset in A, gains and capacity error as fractions."""

    current_offset_a: float
    current_gain: float
    voltage_gain: float
    capacity_error: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "SensorErrors":
        """Uniform within the bounds of this module; voltage gain within 0.1 %."""
        return cls(
            current_offset_a=float(rng.uniform(-OFFSET_A, OFFSET_A)),
            current_gain=float(rng.uniform(-GAIN_ERROR, GAIN_ERROR)),
            voltage_gain=float(rng.uniform(-0.001, 0.001)),
            capacity_error=float(rng.uniform(-CAPACITY_ERROR, CAPACITY_ERROR)),
        )


def quantise(values: Floats, resolution: float) -> Floats:
    """Values rounded to a resolution (0 leaves them)."""
    if resolution <= 0.0:
        return values
    rounded: Floats = np.round(np.round(values / resolution) * resolution, 9)
    return rounded


class Bms:
    """Counts charge with the errors of one vehicle; ``soc`` is what it would report now."""

    def __init__(self, errors: SensorErrors, sensors: Sensors, soc: float) -> None:
        self.errors = errors
        self.sensors = sensors
        self.soc = soc

    def key_on(self, parked_s: float, true_soc: float, rng: np.random.Generator) -> None:
        """Wake up after ``parked_s``: correct the count where the rest was long enough."""
        if parked_s >= CORRECTING_REST_S:
            self.soc = float(np.clip(true_soc + rng.uniform(-1.0, 1.0) * REST_SOC_ERROR, 0.0, 1.0))

    def count(self, step_s: Floats, current_a: Floats, true_capacity_ah: float) -> Floats:
        """Reported SoC (n,), unrounded, over samples of true current; moves the count on.

        ``step_s`` (n,) is the time before each sample; the first sample is the present count.
        """
        seen = current_a * (1.0 + self.errors.current_gain) + self.errors.current_offset_a
        believed_ah = true_capacity_ah * (1.0 + self.errors.capacity_error)
        moved = 0.5 * (seen[1:] + seen[:-1]) * step_s[1:]
        soc = self.soc + np.concatenate([[0.0], np.cumsum(moved)]) / 3600.0 / believed_ah
        soc = np.clip(soc, 0.0, 1.0)
        self.soc = float(soc[-1])
        return np.asarray(soc)

    def measure(
        self,
        current_a: Floats,
        voltage_v: Floats,
        temperature_degc: Floats,
        rng: np.random.Generator,
    ) -> dict[str, Floats]:
        """Current, voltage and temperature as telemetered: gain, offset, noise, resolution."""
        n, e, s = current_a.size, self.errors, self.sensors
        current = current_a * (1.0 + e.current_gain) + e.current_offset_a
        current = current + CURRENT_NOISE_A * rng.standard_normal(n)
        voltage = voltage_v * (1.0 + e.voltage_gain) + VOLTAGE_NOISE_V * rng.standard_normal(n)
        warmth = temperature_degc + TEMPERATURE_NOISE_K * rng.standard_normal(n)
        return {
            "current_a": quantise(current, s.current_resolution_a),
            "voltage_v": quantise(voltage, s.voltage_resolution_v),
            "temperature_degc": quantise(warmth, s.temperature_resolution_degc),
        }
