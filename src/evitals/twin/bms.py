"""What the vehicle says of itself: sensors with errors, and a BMS that counts with them.

Errors are drawn once per vehicle, uniform, and unknown to the estimators; faults add theirs. The
BMS integrates its own current over its own idea of the capacity while the vehicle drives or
charges; parked, its count stands still. That idea is the capacity of some earlier day, wrong even
then by a few percent: calibrations are rare. At key-on after at least an hour of parking it sets
its SoC to the one read from the rest voltage (true SoC, up to 1 % off), unless the OCV is too
flat there (LFP between its ends); in between nothing corrects it. One compiled pass turns a true
trace into the columns reported.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from evitals.battery import Sensors
from evitals.twin.faults import NONE, Effect

Floats = NDArray[np.float64]
CAPACITY_ERROR = 0.05
OFFSET_A = 0.5
GAIN_ERROR = 0.01
REST_SOC_ERROR = 0.01
CORRECTING_REST_S = 3600.0
TELLING_SLOPE_V = 0.2
"""Where the OCV rises less than this over all of the SoC, its voltage at rest tells no SoC."""
CURRENT_NOISE_A, VOLTAGE_NOISE_V, TEMPERATURE_NOISE_K = 0.1, 0.1, 0.2
CELL_NOISE_V = 0.001
CELL_STEPS, SPEED_STEPS, AMBIENT_STEPS = 1000.0, 100.0, 2.0
"""Steps per V of a cell, per m/s and per K of the air."""
TO_LOSS, LOSS = 36_000.0, 6.0
"""Rows lost on the way: mean rows from one burst to the next (ten hours at 1 Hz), and in it."""
TO_GAP, GAP = 36_000.0, 5.0
"""The same of one signal that is missing (NaN) while the others arrive."""
FAULTY_LOSS = 12.0
"""Mean rows of a burst where a fault loses them."""

COLUMNS = (
    "time_s",
    "current_a",
    "voltage_v",
    "temperature_degc",
    "soc",
    "speed_mps",
    "ambient_degc",
    "cell_voltage_min_v",
    "cell_voltage_max_v",
)
"""What is reported, in the order of the kernel's rows."""
HIDDEN = ("current_a", "soc", "temperature_degc")
"""True values beside it, in the rows that follow."""
ROWS = len(COLUMNS) + len(HIDDEN)
(
    _TIME,
    _CURRENT,
    _VOLTAGE,
    _WARMTH,
    _SOC,
    _SPEED,
    _AMBIENT,
    _LOWEST,
    _HIGHEST,
    _TRUE_CURRENT,
    _TRUE_SOC,
    _TRUE_WARMTH,
) = range(ROWS)
_GAPPY = 5
"""Signals that may be missing: the rows from _CURRENT on, so many."""

(
    P_GAIN,
    P_OFFSET_A,
    P_VOLTAGE_GAIN,
    P_BELIEVED_AH,
    P_DRIFT_PER_H,
    P_STUCK_DEGC,
    P_SWAPPED,
    P_TO_LOSS,
    P_LOSS,
    P_CURRENT_STEPS,
    P_VOLTAGE_STEPS,
    P_WARMTH_STEPS,
    P_SOC_STEPS,
    _PARAMETERS,
) = range(14)
"""Places of the parameters. Resolutions are given as steps per unit (0: no rounding)."""
(
    S_SOC,
    S_ELAPSED_S,
    S_SEEN_A,
    S_TO_LOSS,
    S_LOSS_LEFT,
    S_TO_GAP,
    S_GAP_LEFT,
    S_GAP_ROW,
    S_JUMP_AT_S,
    S_JUMP_S,
    _STATE,
) = range(11)
"""Places in the state: the count, time since the recording began, current seen last, bursts to
come and under way, and the step of a clock."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)
_S11, _S16, _S32, _S52 = np.uint64(11), np.uint64(16), np.uint64(32), np.uint64(52)
_INDEX = np.uint64(0xFFF)
NORMAL: Floats = np.array([NormalDist().inv_cdf((k + 0.5) / 4096.0) for k in range(4096)])
"""4096 equally likely values of a normal law, within 3.7 deviations: noise is looked up here."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


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


@_compiled
def _word(random: NDArray[np.uint64]) -> np.uint64:
    """64 random bits (splitmix64, Steele et al. 2014): the same on every machine."""
    random[0] += _GOLDEN
    z = random[0]
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return np.uint64(z ^ (z >> _S31))


@_compiled
def _uniform(random: NDArray[np.uint64]) -> float:
    """Uniform over 0 to 1, neither included."""
    return (float(_word(random) >> _S11) + 0.5) * 2.0**-53


@_compiled
def _wait(random: NDArray[np.uint64], mean: float) -> float:
    """An exponential wait of a mean."""
    return -math.log(_uniform(random)) * mean


@_compiled
def _place(value: Floats, steps: float, deviation: float, noise: Floats, out: Floats) -> None:
    """Values with noise, rounded to so many steps per unit (0: not rounded), into ``out`` (n,)."""
    if steps > 0.0:
        # Divided, not multiplied: 3501 / 10 is 350.1.
        for k in range(out.size):
            out[k] = np.floor((value[k] + deviation * noise[k]) * steps + 0.5) / steps
    else:
        for k in range(out.size):
            out[k] = value[k] + deviation * noise[k]


@_compiled
def _count(
    step_s: Floats, current_a: Floats, awake: bool, p: Floats, s: Floats, out: Floats
) -> None:
    """Time, current as measured without noise, and the BMS's count, into their rows of ``out``.

    The count follows the trapezoid of that current: noise averages out over a second.
    """
    per_as, drift = 0.0, 0.0
    if awake:
        per_as, drift = 1.0 / (3600.0 * p[P_BELIEVED_AH]), p[P_DRIFT_PER_H] / 3600.0
    gain, offset = 1.0 + p[P_GAIN], p[P_OFFSET_A]
    soc, elapsed, before = s[S_SOC], s[S_ELAPSED_S], s[S_SEEN_A]
    for k in range(step_s.size):
        dt = step_s[k]
        elapsed += dt
        seen = gain * current_a[k] + offset
        soc = min(max(soc + (0.5 * (seen + before) * per_as + drift) * dt, 0.0), 1.0)
        before = seen
        if elapsed >= s[S_JUMP_AT_S]:
            elapsed += s[S_JUMP_S]
            s[S_JUMP_AT_S] = math.inf
        out[_TIME, k], out[_CURRENT, k], out[_SOC, k] = elapsed, seen, soc
    s[S_SOC], s[S_ELAPSED_S], s[S_SEEN_A] = soc, elapsed, before


@_compiled
def _noise(random: NDArray[np.uint64], table: Floats, noise: Floats) -> None:
    """Four rows of nearly normal noise: 16 bits of a word each look one up."""
    for k in range(noise.shape[1]):
        z = _word(random)
        noise[0, k] = table[z & _INDEX]
        noise[1, k] = table[(z >> _S16) & _INDEX]
        noise[2, k] = table[(z >> _S32) & _INDEX]
        noise[3, k] = table[z >> _S52]


@_compiled
def _gaps(s: Floats, random: NDArray[np.uint64], out: Floats) -> None:
    """Bursts in which one signal is missing become NaN."""
    for k in range(out.shape[1]):
        if s[S_GAP_LEFT] <= 0.0:
            s[S_TO_GAP] -= 1.0
            if s[S_TO_GAP] > 0.0:
                continue
            s[S_GAP_ROW] = _CURRENT + int(_uniform(random) * _GAPPY)
            s[S_GAP_LEFT] = _wait(random, GAP)
            s[S_TO_GAP] = _wait(random, TO_GAP)
        s[S_GAP_LEFT] -= 1.0
        out[int(s[S_GAP_ROW]), k] = math.nan


@_compiled
def _losses(p: Floats, s: Floats, random: NDArray[np.uint64], out: Floats) -> int:
    """Bursts of rows that never arrive are closed up; returns the rows kept, at least the first."""
    kept = 0
    for k in range(out.shape[1]):
        if s[S_LOSS_LEFT] <= 0.0:
            s[S_TO_LOSS] -= 1.0
            if s[S_TO_LOSS] <= 0.0:
                s[S_LOSS_LEFT] = _wait(random, p[P_LOSS])
                s[S_TO_LOSS] = _wait(random, p[P_TO_LOSS])
        if s[S_LOSS_LEFT] > 0.0:
            s[S_LOSS_LEFT] -= 1.0
            if k > 0:
                continue
        if kept < k:
            out[:, kept] = out[:, k]
        kept += 1
    return kept


@_compiled
def report(
    step_s: Floats,
    true: Floats,
    speed_mps: Floats,
    ambient_degc: float,
    awake: bool,
    p: Floats,
    s: Floats,
    random: NDArray[np.uint64],
    table: Floats,
    out: Floats,
) -> int:
    """What is reported of a true trace: fills ``out`` (ROWS, n), returns how many rows are kept.

    ``step_s`` (n,) is the time before each sample, ``true`` (6, n) are current A, pack voltage V,
    SoC, temperature degC, lowest and highest cell V. ``s`` and ``random`` move on; ``table`` is
    ``NORMAL``.
    """
    n = step_s.size
    current, volts, warmth = true[0], true[1], true[3]
    out[_TRUE_CURRENT], out[_TRUE_SOC], out[_TRUE_WARMTH] = current, true[2], warmth
    # Rows that are filled last hold the noise until then; each is read where it is overwritten.
    noise = out[_SPEED : _SPEED + 4]
    _count(step_s, current, awake, p, s, out)
    _noise(random, table, noise)
    _place(out[_CURRENT], p[P_CURRENT_STEPS], CURRENT_NOISE_A, noise[0], out[_CURRENT])
    gain = 1.0 + p[P_VOLTAGE_GAIN]
    for k in range(n):
        out[_VOLTAGE, k] = volts[k] * gain
        out[_WARMTH, k] = warmth[k]
    _place(out[_VOLTAGE], p[P_VOLTAGE_STEPS], VOLTAGE_NOISE_V, noise[1], out[_VOLTAGE])
    air = ambient_degc
    if p[P_SWAPPED] > 0.0:
        out[_WARMTH] = ambient_degc
        air = warmth[0]
    _place(out[_WARMTH], p[P_WARMTH_STEPS], TEMPERATURE_NOISE_K, noise[2], out[_WARMTH])
    if p[P_STUCK_DEGC] == p[P_STUCK_DEGC]:
        out[_WARMTH] = p[P_STUCK_DEGC]
    _place(out[_SOC], p[P_SOC_STEPS], 0.0, noise[0], out[_SOC])
    cells = noise[3]
    _place(true[4], CELL_STEPS, CELL_NOISE_V, cells, out[_LOWEST])
    _place(true[5], CELL_STEPS, CELL_NOISE_V, cells, out[_HIGHEST])
    _place(speed_mps, SPEED_STEPS, 0.0, speed_mps, out[_SPEED])
    out[_AMBIENT] = np.floor(air * AMBIENT_STEPS + 0.5) / AMBIENT_STEPS
    if s[S_GAP_LEFT] > 0.0 or s[S_TO_GAP] <= n:
        _gaps(s, random, out)
    else:
        s[S_TO_GAP] -= n
    if s[S_LOSS_LEFT] > 0.0 or s[S_TO_LOSS] <= n:
        return _losses(p, s, random, out)
    s[S_TO_LOSS] -= n
    return n


def steps(resolution: float) -> float:
    """Steps per unit of a resolution, 0 where there is none."""
    return 1.0 / resolution if resolution > 0.0 else 0.0


class Bms:
    """Counts charge and reports with the errors of one vehicle; ``soc`` is its count now."""

    def __init__(
        self, errors: SensorErrors, sensors: Sensors, soc: float, believed_ah: float, seed: int
    ) -> None:
        self.errors, self.resets = errors, 0
        self.p = np.zeros(_PARAMETERS)
        self.p[P_VOLTAGE_GAIN] = errors.voltage_gain
        self.p[P_CURRENT_STEPS] = steps(sensors.current_resolution_a)
        self.p[P_VOLTAGE_STEPS] = steps(sensors.voltage_resolution_v)
        self.p[P_WARMTH_STEPS] = steps(sensors.temperature_resolution_degc)
        self.p[P_SOC_STEPS] = steps(sensors.soc_resolution)
        self.p[P_BELIEVED_AH] = believed_ah
        self.random = np.array([seed], np.uint64)
        self.s = np.zeros(_STATE)
        self.s[S_SOC], self.s[S_JUMP_AT_S] = soc, math.inf
        self.suffer(NONE)
        self.s[S_TO_LOSS] = _wait(self.random, TO_LOSS)
        self.s[S_TO_GAP] = _wait(self.random, TO_GAP)

    @property
    def soc(self) -> float:
        """The count now, a fraction, unrounded."""
        return float(self.s[S_SOC])

    @property
    def believed_ah(self) -> float:
        """The capacity it counts with, Ah."""
        return float(self.p[P_BELIEVED_AH])

    def calibrate(self, capacity_ah: float) -> None:
        """Learn the capacity of this day, with this vehicle's error."""
        self.p[P_BELIEVED_AH] = capacity_ah * (1.0 + self.errors.capacity_error)

    def suffer(self, effect: Effect) -> None:
        """Take on what faults do to sensors and count today."""
        self.effect = effect
        self.p[P_GAIN] = self.errors.current_gain + effect.gain
        self.p[P_OFFSET_A] = self.errors.current_offset_a + effect.offset_a
        self.p[P_DRIFT_PER_H] = effect.drift_per_h
        self.p[P_STUCK_DEGC] = effect.stuck_degc
        self.p[P_SWAPPED] = float(effect.swapped)
        self.p[P_TO_LOSS], self.p[P_LOSS] = TO_LOSS, LOSS
        if effect.lost > 0.0:
            # A burst of L every W rows: a share L / (L + W) of them is lost.
            self.p[P_LOSS] = FAULTY_LOSS
            self.p[P_TO_LOSS] = FAULTY_LOSS * (1.0 - effect.lost) / effect.lost
            self.s[S_TO_LOSS] = min(self.s[S_TO_LOSS], self.p[P_TO_LOSS])

    def key_on(
        self, parked_s: float, true_soc: float, chance: float, slope_v: float = math.inf
    ) -> None:
        """Wake up after ``parked_s``: correct the count where the rest was long enough.

        ``chance`` (0 to 1, uniform) places the rest voltage's error; ``slope_v`` is the rise of
        the OCV per unit of SoC. A drifting count is only put right at its resets.
        """
        if slope_v < TELLING_SLOPE_V:
            return
        if self.effect.drift_per_h and self.effect.resets <= self.resets:
            return
        if parked_s >= CORRECTING_REST_S:
            self.resets = self.effect.resets
            off = (2.0 * chance - 1.0) * REST_SOC_ERROR
            self.s[S_SOC] = min(max(true_soc + off, 0.0), 1.0)

    def begin(self, jump_at_s: float = math.inf, jump_s: float = 0.0) -> None:
        """Start a recording: its clock at 0, which may step by ``jump_s`` at ``jump_at_s``."""
        self.s[S_ELAPSED_S] = 0.0
        self.s[S_JUMP_AT_S], self.s[S_JUMP_S] = jump_at_s, jump_s
