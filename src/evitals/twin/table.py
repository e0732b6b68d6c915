"""The reference document's table of its simulated trip (UDDS), held against the twin."""

from collections.abc import Callable

from msgspec import Struct

from evitals.twin.trip import Engine, TripReport, trip

TOLERANCE = 0.03


class Row(Struct, frozen=True, kw_only=True):
    """One figure of the Zoe on UDDS: the document's, ours, ours with FASTSim's regeneration rule.

    ``wrong`` where the document is more than 3 % from both; ``why`` says what went wrong there.
    """

    figure: str
    unit: str
    document: float
    twin: float
    fastsim_rule: float
    wrong: bool
    why: str


_Figure = tuple[str, str, float, Callable[[TripReport], float], str]
FIGURES: tuple[_Figure, ...] = (
    ("distance", "km", 7.45, lambda r: r.distance_km, "7.45 are miles"),
    ("duration", "s", 1369.0, lambda r: r.duration_s, ""),
    (
        "energy",
        "kWh",
        2.83,
        lambda r: r.energy_kwh,
        "FASTSim 3.1 itself says 1.357 for this car and cycle",
    ),
    (
        "SoC change",
        "points",
        5.4,
        lambda r: 100.0 * (r.soc_start - r.soc_end),
        "its energy over 52 kWh",
    ),
    ("mean power", "kW", 7.4, lambda r: r.mean_power_kw, "its energy over 1,369 s"),
    ("peak power", "kW", 49.2, lambda r: r.peak_power_kw, "FASTSim 3.1 itself says 40.1"),
    (
        "largest current",
        "A",
        140.6,
        lambda r: r.current_max_a,
        "its peak power over a constant 350 V; the pack stands near 390 V",
    ),
    (
        "consumption",
        "kWh/km",
        0.38,
        lambda r: r.energy_kwh_per_km or 0.0,
        "its energy over miles called km",
    ),
)
"""Figure, unit, value in the document (section 5.4, table 3), ours, what went wrong there."""


def udds(engine: Engine = "twin") -> list[Row]:
    """The table's rows. With ``engine`` "fastsim" the last column is FASTSim's own run."""
    ours = trip()
    other = trip(regeneration="fastsim", engine=engine)
    rows = []
    for figure, unit, document, of, why in FIGURES:
        wrong = min(abs(document / of(each) - 1.0) for each in (ours, other)) > TOLERANCE
        rows.append(
            Row(
                figure=figure,
                unit=unit,
                document=document,
                twin=of(ours),
                fastsim_rule=of(other),
                wrong=wrong,
                why=why if wrong else "",
            )
        )
    return rows
