"""What is asked of a what-if, and what it answers: plain data, as commands and pages take it."""

import difflib
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from evitals.errors import InputError
from evitals.twin.journeys import Style

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
STYLES = {
    "city": Style(rural=0.1, motorway=0.0, traffic=0.7, aggressiveness=0.5),
    "mixed": Style(rural=0.3, motorway=0.15),
    "motorway": Style(rural=0.2, motorway=0.6, traffic=0.3),
    "calm": Style(rural=0.3, motorway=0.15, aggressiveness=0.15, traffic=0.4),
    "sporty": Style(rural=0.3, motorway=0.25, aggressiveness=0.95),
}


class Spreads(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is not known of a vehicle's future: standard deviations, own round figures.

    ``pace`` of ageing from cell to cell (log-normal; BLAST-Lite draws 0.15, the fleet here 0.2),
    ``new_capacity`` over nominal, ``warmth_k`` of the place around its climate,
    ``distance`` and ``consumption`` (log-normal) around the scenario's. ``samples`` are drawn.
    """

    pace: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.2
    new_capacity: Annotated[float, Meta(ge=0.0, le=0.1)] = 0.01
    warmth_k: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.0
    distance: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    consumption: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05
    samples: Annotated[int, Meta(ge=20, le=5000)] = 200


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One vehicle and how it will live.

    ``km_per_day`` on each of the first ``days_per_week`` days; ``style`` one of ``STYLES``;
    ``place`` a named climate. Charging as in ``usage.Habit``. ``chemistry`` (NMC, NCA, LFP) puts
    other cells of the same energy in; ``ageing`` names another ageing model, ``pace`` multiplies
    its losses. ``soh`` below 1
    starts with a pack that lived this way until then. The pack is replaced on ``replace_on`` or
    below ``replace_below``. Prices per kWh in any one currency; a new pack costs its own
    ``pack_price`` per kWh. ``knee_at`` is a loss from which fade turns four times as fast.
    """

    name: str = ""
    vehicle: str = "renault-zoe-ze50"
    place: str = "berlin"
    start: date = date(2026, 1, 1)
    years: Annotated[int, Meta(ge=1, le=40)] = 15
    km_per_day: Annotated[float, Meta(ge=1.0, le=1000.0)] = 40.0
    days_per_week: Annotated[int, Meta(ge=1, le=7)] = 6
    trips_per_day: Annotated[int, Meta(ge=1, le=12)] = 2
    style: str = "mixed"
    payload_kg: Annotated[float, Meta(ge=0.0, le=60_000.0)] = 75.0
    charge_below: Share = 0.5
    charge_to: Share = 0.9
    timed: bool = False
    dc_share: Share = 0.0
    ac_power_w: Annotated[float, Meta(gt=0.0, le=350_000.0)] | None = None
    chemistry: str | None = None
    ageing: str | None = None
    pace: Annotated[float, Meta(gt=0.0, le=10.0)] = 1.0
    soh: Annotated[float, Meta(gt=0.5, le=1.0)] = 1.0
    knee_at: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    replace_on: date | None = None
    replace_below: Annotated[float, Meta(gt=0.3, lt=1.0)] | None = None
    energy_price: Annotated[float, Meta(ge=0.0, le=1000.0)] = 0.3
    dc_price: Annotated[float, Meta(ge=0.0, le=1000.0)] = 0.55
    pack_price: Annotated[float, Meta(ge=0.0, le=1e6)] = 150.0
    end_of_life: Annotated[float, Meta(gt=0.3, lt=1.0)] = 0.7


class Band(Struct, frozen=True):
    """A value of the scenario as stated, and the 5th and 95th percentile with ``Spreads``."""

    value: float
    low: float
    high: float


class Year(Struct, frozen=True, kw_only=True):
    """A year of a projection: what is true at its end, and what it took.

    ``range_km`` is from full to empty over the year's driving, with the pack as it is when the
    year begins, ``cold_range_km`` that of the month with the shortest; energy at the plug, costs
    in the scenario's currency since the start.
    """

    ends: date
    soh: Band
    resistance: float
    range_km: Band
    cold_range_km: float
    km: float
    energy_kwh: Band
    kwh_per_100km: float
    cost: Band
    short_share: float
    """Share of the driving that the pack could not give: empty, or too cold."""
    replaced: bool


class Projection(Struct, frozen=True, kw_only=True):
    """A scenario's years. ``end_of_life_years`` is when SoH falls below the scenario's limit,
    None where it does not within the years (low and high: None likewise); ``notes`` say what lies
    outside what the models were fitted to."""

    scenario: Scenario
    spreads: Spreads
    seed: int
    years: list[Year]
    end_of_life_years: float | None
    end_of_life_low: float | None
    end_of_life_high: float | None
    notes: list[str]


class Difference(Struct, frozen=True, kw_only=True):
    """Another scenario less the base at the end of the shorter one, and what differs in it."""

    name: str
    changed: dict[str, str]
    soh: float
    range_km: float
    kwh_per_100km: float
    cost: float


class Comparison(Struct, frozen=True, kw_only=True):
    """Projections beside a base, and their differences from it."""

    base: Projection
    others: list[Projection]
    differences: list[Difference]


def style(name: str) -> Style:
    """A driving style by name. Raises InputError with the nearest names."""
    if name not in STYLES:
        near = difflib.get_close_matches(name, STYLES, cutoff=0.3) or list(STYLES)
        raise InputError("style", name, "is no style", f"use one of {', '.join(near)}")
    return STYLES[name]
