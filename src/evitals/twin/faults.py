"""Faults as plain data: what breaks, from which day, by how much; and what it does.

A fault acts in the physics (the pack is another one from that day) or in what is reported. What
all faults of a vehicle do on a day is its ``Effect``: the pack and the BMS are made from it.
Sizes are drawn within round bounds, wide enough that some are hard to see.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from evitals.errors import InputError

Kind = Literal[
    "weak_cell",
    "soft_short",
    "resistance_jump",
    "cooling_failure",
    "current_offset",
    "current_gain",
    "soc_drift",
    "stuck_temperature",
    "swapped_temperature",
    "capacity_knee",
    "lost_samples",
    "clock_jump",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

BOUNDS: dict[str, tuple[float, float, bool, str]] = {
    "weak_cell": (0.04, 0.25, False, "capacity the weakest cell lost more than the others"),
    "soft_short": (0.02, 0.15, False, "A that leak through one cell, always"),
    "resistance_jump": (1.2, 2.0, False, "resistance of all cells times this"),
    "cooling_failure": (0.6, 1.0, False, "share of the cooling that is lost"),
    "current_offset": (1.0, 5.0, True, "A added to the current measured"),
    "current_gain": (0.03, 0.12, True, "share added to the current measured"),
    "soc_drift": (0.01, 0.04, True, "SoC an hour of use; put right every fortnight"),
    "stuck_temperature": (5.0, 35.0, False, "degC shown for ever"),
    "swapped_temperature": (1.0, 1.0, False, "battery's and air's readings change places"),
    "capacity_knee": (0.06, 0.4, False, "capacity lost a year from now on, over the usual"),
    "lost_samples": (0.05, 0.4, False, "share of the rows lost, in bursts"),
    "clock_jump": (120.0, 7200.0, True, "s the clock is ahead; a step inside the first trip"),
}
"""Least and greatest size drawn, whether either sign is drawn, and what the size means."""
ALLOWED: dict[str, tuple[float, float]] = {
    "weak_cell": (0.0, 0.9),
    "soft_short": (0.0, 10.0),
    "resistance_jump": (1.0, 10.0),
    "cooling_failure": (0.0, 1.0),
    "current_offset": (-100.0, 100.0),
    "current_gain": (-0.9, 1.0),
    "soc_drift": (-1.0, 1.0),
    "stuck_temperature": (-40.0, 85.0),
    "swapped_temperature": (1.0, 1.0),
    "capacity_knee": (0.0, 5.0),
    "lost_samples": (0.0, 0.9),
    "clock_jump": (-86_400.0, 86_400.0),
}
"""Sizes that a fault given by hand may have."""
RESET_DAYS = 14
KNEE_GROWTH_PER_LOSS = 3.0
"""Resistance that comes with each unit of capacity lost behind the knee: an own round figure."""
YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``kind``, first day (days since 1970-01-01 UTC), ``size`` as in ``BOUNDS``.

    Raises InputError for an unknown kind (with the nearest) and an impossible size.
    """

    kind: Kind
    day: int
    size: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError("kind", self.kind, "is no fault", f"use one of {', '.join(KINDS)}")
        low, high = ALLOWED[self.kind]
        if not low <= self.size <= high:
            problem = f"is no size of {self.kind}: {BOUNDS[self.kind][3]}"
            raise InputError("size", self.size, problem, f"give {low:g} to {high:g}")


@dataclass(frozen=True, slots=True)
class Effect:
    """What faults do on one day; the defaults do nothing.

    Physics: ``weak_loss`` (of the weakest cell's capacity), ``leak_a`` (through one cell),
    ``growth`` (resistance times this), ``cooling`` (share that works), ``fade`` (capacity lost).
    Reports: ``offset_a``, ``gain``, ``drift_per_h`` (SoC), ``resets`` (how often the drifting
    count was put right so far), ``stuck_degc`` (NaN: not stuck), ``swapped``, ``lost`` (share of
    rows), ``clock_s``, ``clock_breaks`` (the clock jumps on this day).
    """

    weak_loss: float = 0.0
    leak_a: float = 0.0
    growth: float = 1.0
    cooling: float = 1.0
    fade: float = 0.0
    offset_a: float = 0.0
    gain: float = 0.0
    drift_per_h: float = 0.0
    resets: int = 0
    stuck_degc: float = math.nan
    swapped: bool = False
    lost: float = 0.0
    clock_s: float = 0.0
    clock_breaks: bool = False


NONE = Effect()


def effect(faults: Sequence[Fault], day: int) -> Effect:
    """What the faults that began by ``day`` do on it. ``NONE`` itself where there is none."""
    found = NONE
    for fault in faults:
        if fault.day <= day:
            found = _with(found, fault, day)
    return found


def _with(e: Effect, fault: Fault, day: int) -> Effect:
    size, days = fault.size, day - fault.day
    match fault.kind:
        case "weak_cell":
            return replace(e, weak_loss=max(e.weak_loss, size))
        case "soft_short":
            return replace(e, leak_a=e.leak_a + size)
        case "resistance_jump":
            return replace(e, growth=e.growth * size)
        case "cooling_failure":
            return replace(e, cooling=e.cooling * (1.0 - size))
        case "current_offset":
            return replace(e, offset_a=e.offset_a + size)
        case "current_gain":
            return replace(e, gain=e.gain + size)
        case "soc_drift":
            resets = max(e.resets, days // RESET_DAYS)
            return replace(e, drift_per_h=e.drift_per_h + size, resets=resets)
        case "stuck_temperature":
            return replace(e, stuck_degc=size)
        case "swapped_temperature":
            return replace(e, swapped=True)
        case "capacity_knee":
            fade = size * days / YEAR_DAYS
            return replace(
                e, fade=e.fade + fade, growth=e.growth * (1.0 + KNEE_GROWTH_PER_LOSS * fade)
            )
        case "lost_samples":
            return replace(e, lost=max(e.lost, size))
        case "clock_jump":
            return replace(e, clock_s=e.clock_s + size, clock_breaks=e.clock_breaks or days == 0)


def draw(rng: np.random.Generator, rate: float, first_day: int, last_day: int) -> tuple[Fault, ...]:
    """Faults of one vehicle: ``rate`` of them a year on average (Poisson), each kind as likely.

    No kind twice; days uniform from ``first_day`` up to, not including, ``last_day``.
    """
    years = (last_day - first_day) / YEAR_DAYS
    count = min(int(rng.poisson(rate * years)), len(KINDS))
    kinds = rng.choice(len(KINDS), size=count, replace=False)
    faults = [_drawn(rng, KINDS[int(k)], first_day, last_day) for k in kinds]
    return tuple(sorted(faults, key=lambda fault: (fault.day, fault.kind)))


def _drawn(rng: np.random.Generator, kind: Kind, first_day: int, last_day: int) -> Fault:
    low, high, signed, _ = BOUNDS[kind]
    size = low if low == high else float(np.exp(rng.uniform(math.log(low), math.log(high))))
    if signed and rng.random() < 0.5:
        size = -size
    return Fault(kind, int(rng.integers(first_day, last_day)), size)
