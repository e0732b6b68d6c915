"""Where, when and how far a vehicle charges: alternating current at home or in the depot, direct
current fast, and short sessions of opportunity.

A session asks for power; the pack takes what its limits leave (constant power, then constant
voltage as the current fades). Shares and powers are own round figures for passenger cars, vans
and buses; ``dc_share`` is of sessions, not of energy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evitals.errors import InputError

Kind = Literal["ac", "dc", "opportunity"]
AC_EFFICIENCY = 0.9
"""Of the charger on board; direct current comes as it is."""
STEP_S = {"ac": 30.0, "dc": 10.0, "opportunity": 10.0}
LONGEST_S = {"ac": 18 * 3600.0, "dc": 4500.0, "opportunity": 5400.0}
TARGET = {"ac": (0.78, 1.0), "dc": (0.7, 0.85), "opportunity": (0.6, 0.9)}
"""Where drivers stop, as a share of the full charge the vehicle allows; uniform between."""
DELAY_S = {"ac": (60.0, 5400.0), "dc": (120.0, 900.0), "opportunity": (60.0, 1200.0)}
"""From standstill to plugged in and charging: timers at home, the walk to a fast charger."""
NIGHT_ONLY_ABOVE = 0.85
"""Nobody plugs in a battery this full, share of full."""
LEAST_RISE = 0.05
CHOICES = 4
"""Uniform numbers a decision takes."""


@dataclass(frozen=True, slots=True)
class Session:
    """Plug in ``delay_s`` after standstill; ``power_w`` at the terminals until true ``target``."""

    kind: Kind
    delay_s: float
    power_w: float
    target_soc: float
    step_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Habit:
    """How one vehicle is charged. Powers at the plug in W, shares and SoC as fractions.

    Below ``charge_below`` it must be charged: by ``dc_share`` of such stops fast, else AC. At the
    day's end it is plugged in anyhow with ``every_night``; between trips with ``opportunity``.
    Raises InputError for powers or shares that cannot be.
    """

    ac_power_w: float
    dc_power_w: float = 0.0
    opportunity_power_w: float = 0.0
    charge_below: float = 0.4
    dc_share: float = 0.0
    every_night: float = 0.0
    opportunity: float = 0.0

    def __post_init__(self) -> None:
        if not self.ac_power_w > 0.0:
            raise InputError("ac_power_w", self.ac_power_w, "cannot charge", "give W above 0")
        for name in ("dc_power_w", "opportunity_power_w"):
            if not getattr(self, name) >= 0.0:
                raise InputError(name, getattr(self, name), "is negative", "give 0 for none")
        for name in ("charge_below", "dc_share", "every_night", "opportunity"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(name, getattr(self, name), "is not a share", "give 0 to 1")

    def after(self, soc: float, full: float, last: bool, u: Sequence[float]) -> Session | None:
        """What follows a trip that ended at ``soc`` of a battery that fills to ``full``.

        ``last``: no trip follows today. ``u``: CHOICES numbers, uniform over 0 to 1.
        """
        if soc < self.charge_below + 0.3 * (u[0] - 0.5):
            # A long trip the same day leaves no time for hours of AC.
            fast = self.dc_power_w > 0.0 and u[1] < self.dc_share * (1.0 if last else 2.0)
            return self._session("dc" if fast else "ac", soc, full, u)
        if last and u[1] < self.every_night and soc < NIGHT_ONLY_ABOVE * full:
            return self._session("ac", soc, full, u)
        if not last and u[1] < self.opportunity and self.opportunity_power_w > 0.0:
            return self._session("opportunity", soc, full, u)
        return None

    def _session(self, kind: Kind, soc: float, full: float, u: Sequence[float]) -> Session | None:
        low, high = TARGET[kind]
        early, late = DELAY_S[kind]
        target = full * (low + (high - low) * u[2])
        if kind == "ac":
            target = max(target, min(soc + 2.0 * LEAST_RISE, full))
        if target < soc + LEAST_RISE:
            return None
        power = {
            "ac": self.ac_power_w * AC_EFFICIENCY,
            "dc": self.dc_power_w,
            "opportunity": self.opportunity_power_w,
        }[kind]
        delay = early + (late - early) * u[3]
        return Session(kind, delay, power, target, STEP_S[kind], LONGEST_S[kind])
