"""Random realistic journeys: a driver, roads, traffic, hills, weather and payload from a seed.

A journey is a row of legs (urban, rural, motorway), a leg a row of stretches with a wished speed
of their own; each stretch ends with a stop, or with the speed of the next. The driver accelerates
with what the driver likes, less at speed, wanders around the wished speed and brakes in time.
Slope is a first-order process over distance. Made at 1 Hz in one compiled pass; how its statistics
lie beside the regulatory cycles is tested and shown in docs/twin-physics.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin.cycles import Cycle

Floats = NDArray[np.float64]

SPEED_LOW_MPS, SPEED_HIGH_MPS = (8.5, 16.5, 26.5), (15.5, 26.0, 35.5)
"""Wished speeds on urban, rural and motorway stretches, drawn evenly between."""
STRETCH_M = (380.0, 1400.0, 4500.0)
STOP = (0.62, 0.22, 0.02)
"""Mean length of a stretch, and the chance that it ends with a stop, in traffic of 0.5."""
LEG_S = 240.0
PAUSE_S = 16.0
WANDER_S = 15.0
KEPT = 1.0 - 1.0 / WANDER_S
WANDER = (1.0, 0.6, 0.35)
"""How long a driver's wandering lasts, and how far it goes by kind of road."""
HILL_M, SLOPE_M = 400.0, 25.0
"""Distance over which the slope forgets, and how often it changes."""
STEEPEST = 0.12
START_S, END_S = 4, 4
TAIL_S = 120
"""Room in the arrays beyond the wished duration: the way to a standstill."""
ROOT3 = 1.7320508075688772

(
    RURAL,
    MOTORWAY,
    AGGRESSIVENESS,
    TRAFFIC,
    HILLS,
    AMBIENT_DEGC,
    AMBIENT_SPREAD_K,
    WIND_MPS,
    PAYLOAD_LOW_KG,
    PAYLOAD_HIGH_KG,
) = range(10)
"""Places of a style's numbers in its vector."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


@dataclass(frozen=True, slots=True)
class Journey:
    """A trip to drive, arrays (n,): ``time_s`` from 0, ``grade`` is rise over run."""

    name: str
    time_s: Floats
    speed_mps: Floats
    grade: Floats
    ambient_degc: float = 22.0
    headwind_mps: float = 0.0
    payload_kg: float = 0.0

    @property
    def distance_m(self) -> float:
        """Distance by the trapezoid rule, m."""
        return Cycle(self.name, self.time_s, self.speed_mps).distance_m


@dataclass(frozen=True, slots=True)
class Style:
    """Whose journeys: shares of time on rural roads and motorways (the rest is urban), a driver
    from calm (0) to sporty (1), traffic from free (0) to jammed (1), ``hills`` the rms slope,
    ambient with its spread from journey to journey (K, rms), rms headwind, payload drawn evenly.
    """

    rural: float = 0.3
    motorway: float = 0.15
    aggressiveness: float = 0.5
    traffic: float = 0.5
    hills: float = 0.015
    ambient_degc: float = 15.0
    ambient_spread_k: float = 3.0
    wind_mps: float = 2.0
    payload_low_kg: float = 0.0
    payload_high_kg: float = 150.0

    def __post_init__(self) -> None:
        shares = ("rural", "motorway", "aggressiveness", "traffic")
        bounds = dict.fromkeys(shares, (0.0, 1.0)) | {
            "hills": (0.0, 0.06),
            "ambient_degc": (-45.0, 55.0),
            "ambient_spread_k": (0.0, 15.0),
            "wind_mps": (0.0, 10.0),
            "payload_low_kg": (0.0, 60_000.0),
            "payload_high_kg": (self.payload_low_kg, 60_000.0),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(name, value, "is out of bounds", f"give {low:g} to {high:g}")
        if self.rural + self.motorway > 1.0:
            raise InputError(
                "motorway", self.motorway, "and rural are more than the whole", "lower one"
            )

    def vector(self) -> Floats:
        """The kernel's vector, in the order of the places above."""
        return np.array([getattr(self, field.name) for field in fields(self)])


@_compiled
def _leg(rng: np.random.Generator, style: Floats) -> int:
    """Kind of the next leg: 0 urban, 1 rural, 2 motorway."""
    draw = rng.random()
    if draw < style[MOTORWAY]:
        return 2
    return 1 if draw < style[MOTORWAY] + style[RURAL] else 0


@_compiled
def _exponential(rng: np.random.Generator, mean: float) -> float:
    return -mean * math.log(1.0 - rng.random())


@_compiled
def _wished(rng: np.random.Generator, kind: int, style: Floats) -> float:
    spread = SPEED_HIGH_MPS[kind] - SPEED_LOW_MPS[kind]
    hurry = (0.9 + 0.2 * style[AGGRESSIVENESS]) * (1.06 - 0.12 * style[TRAFFIC])
    return float((SPEED_LOW_MPS[kind] + spread * rng.random()) * hurry)


@_compiled
def fill(
    rng: np.random.Generator, style: Floats, duration_s: int, speed_mps: Floats, grade: Floats
) -> int:
    """Write one journey at 1 Hz; returns its samples. Arrays hold ``duration_s`` + TAIL_S.

    It begins and ends at standstill; once ``duration_s`` is over the driver stops.
    """
    eager = 1.0 + 1.8 * style[AGGRESSIVENESS]
    firm = 1.1 + 1.5 * style[AGGRESSIVENESS]
    brake = firm
    unrest = ROOT3 * (0.02 + 0.05 * style[TRAFFIC]) * math.sqrt(2.0 / WANDER_S)
    restless = unrest * WANDER[0]
    roll = ROOT3 * style[HILLS] * math.sqrt(2.0 / HILL_M)
    stop_share = 0.4 + 1.2 * style[TRAFFIC]
    slope = ROOT3 * style[HILLS] * (2.0 * rng.random() - 1.0)
    kind, leg_s, since = 0, _exponential(rng, 0.5 * LEG_S) + 20.0, 0.0
    wish = _wished(rng, kind, style)
    left, after = 50.0 + _exponential(rng, STRETCH_M[kind]), 0.0
    speed, wander, pause, ending = 0.0, 0.0, START_S, False
    last = duration_s + TAIL_S
    k = 0
    while k < last:
        if k >= duration_s and not ending:
            ending, after = True, 0.0
            left = min(left, 0.5 * speed * speed / brake + speed)
            pause = END_S if speed == 0.0 else pause
        if pause > 0:
            pause -= 1
            speed_mps[k], grade[k] = 0.0, slope
            k += 1
            if pause == 0 and ending:
                break
            continue
        wander = KEPT * wander + (2.0 * rng.random() - 1.0) * restless
        wanted = wish * (1.0 + wander)
        # The fastest that still reaches the end of the stretch with the speed meant there.
        safe = wanted
        room = 2.0 * brake * left - brake * speed + after * after
        if room < wanted * (wanted + brake):
            room = max(room + 0.25 * brake * brake, 0.0)
            safe = max(math.sqrt(room) - 0.5 * brake, 0.0)
        push = min(eager / (1.0 + speed / 18.0), 0.45 * (wanted - speed))
        new = min(max(speed + push, speed - brake), max(safe, speed - 3.5))
        if new < 0.4 and (after == 0.0 or new < 0.0):
            new = 0.0 if safe < 0.4 else 0.4
        moved = 0.5 * (speed + new)
        left -= moved
        speed = new
        since += moved
        if since > SLOPE_M:
            slope += (2.0 * rng.random() - 1.0) * roll * math.sqrt(since) - slope * since / HILL_M
            slope, since = min(max(slope, -STEEPEST), STEEPEST), 0.0
        speed_mps[k], grade[k] = speed, slope
        k += 1
        leg_s -= 1.0
        if speed == 0.0:
            wait = 2.0 + _exponential(rng, PAUSE_S * (0.4 + 1.2 * style[TRAFFIC]))
            pause = END_S if ending else int(min(wait, 180.0))
        if (speed == 0.0 or left <= 0.0) and not ending:
            if leg_s <= 0.0:
                kind, leg_s = _leg(rng, style), _exponential(rng, LEG_S) + 30.0
                restless = unrest * WANDER[kind]
            wish = _wished(rng, kind, style)
            brake = firm * (0.5 + 0.5 * rng.random())
            left = 40.0 + _exponential(rng, STRETCH_M[kind] - 40.0)
            after = 0.0 if rng.random() < STOP[kind] * stop_share else wish * 0.7
    speed_mps[k - 1] = 0.0
    return k


@_compiled
def _weather(rng: np.random.Generator, style: Floats, out: Floats) -> None:
    """Ambient degC, headwind m/s and payload kg of one journey into ``out`` (3,)."""
    out[0] = style[AMBIENT_DEGC] + style[AMBIENT_SPREAD_K] * rng.standard_normal()
    out[0] = min(max(out[0], -50.0), 60.0)
    out[1] = min(max(style[WIND_MPS] * rng.standard_normal(), -25.0), 25.0)
    out[2] = style[PAYLOAD_LOW_KG]
    out[2] += (style[PAYLOAD_HIGH_KG] - style[PAYLOAD_LOW_KG]) * rng.random()


@_compiled
def _draw(
    rng: np.random.Generator,
    style: Floats,
    duration_s: int,
    speed_mps: Floats,
    grade: Floats,
    out: Floats,
) -> int:
    _weather(rng, style, out)
    return fill(rng, style, duration_s, speed_mps, grade)


def draw(rng: np.random.Generator, style: Style, duration_s: float) -> Journey:
    """A journey of about ``duration_s`` (a minute or two more). Raises InputError."""
    if not 30.0 <= duration_s <= 86_400.0:
        raise InputError("duration_s", duration_s, "is no journey", "give 30 to 86400 s")
    seconds = int(duration_s)
    speed, grade = np.empty(seconds + TAIL_S), np.empty(seconds + TAIL_S)
    out = np.empty(3)
    n = _draw(rng, style.vector(), seconds, speed, grade, out)
    return Journey("random", np.arange(float(n)), speed[:n], grade[:n], *out.tolist())


def over(
    cycle: Cycle,
    *,
    grade: float = 0.0,
    ambient_degc: float = 22.0,
    headwind_mps: float = 0.0,
    payload_kg: float = 0.0,
) -> Journey:
    """A cycle as a journey: one slope throughout, still air, the driver's weight in the car's."""
    return Journey(
        cycle.name,
        cycle.time_s,
        cycle.speed_mps,
        np.full(cycle.time_s.size, float(grade)),
        float(ambient_degc),
        float(headwind_mps),
        float(payload_kg),
    )


def under(
    journey: Journey, *, grade: float, ambient_degc: float, headwind_mps: float, payload_kg: float
) -> Journey:
    """A journey in other weather, with another load, on a road tilted by ``grade``."""
    tilted = np.asarray(journey.grade + grade)
    return replace(
        journey,
        grade=tilted,
        ambient_degc=ambient_degc,
        headwind_mps=headwind_mps,
        payload_kg=payload_kg,
    )


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a speed trace at 1 Hz is like. ``acceleration_p95`` is over accelerating samples;
    ``pke`` is positive kinetic energy per mass and distance, m/s2 (Watson et al. 1982)."""

    mean_mps: float
    stops_per_km: float
    standstill_share: float
    acceleration_p95_mps2: float
    deceleration_p95_mps2: float
    pke_mps2: float


def statistics(speed_mps: Floats) -> Statistics:
    """Statistics of a speed trace (n,) at 1 Hz."""
    still = speed_mps < 0.1
    change = np.diff(speed_mps)
    km = float(np.sum(0.5 * (speed_mps[1:] + speed_mps[:-1]))) / 1000.0
    gained = np.diff(speed_mps**2)
    return Statistics(
        mean_mps=float(speed_mps.mean()),
        stops_per_km=float(np.sum(still[1:] & ~still[:-1])) / km,
        standstill_share=float(still.mean()),
        acceleration_p95_mps2=float(np.percentile(change[change > 0.1], 95)),
        deceleration_p95_mps2=float(np.percentile(-change[change < -0.1], 95)),
        pke_mps2=float(gained[gained > 0.0].sum()) / km / 1000.0,
    )
