"""``evitals twin whatif``: a vehicle's years, and what would differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table, say

if TYPE_CHECKING:
    from evitals.twin.scenario import Band, Comparison, Projection, Scenario


@click.command()
@click.option("--vehicle", help="A name (a wrong one lists the nearest) or a TOML file.")
@click.option("--place", help="Climate of a named place, such as berlin or phoenix.")
@click.option("--years", type=int, help="How far to look. [default: 15]")
@click.option("--km-per-day", type=float, help="On a driving day. [default: 40]")
@click.option("--chemistry", help="Other cells of the same energy: NMC, NCA or LFP.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Any other field of the scenario: charge_to=0.8, style=motorway, replace_on=2033-05-01, "
    "replace_below=0.75, soh=0.9, dc_share=0.3, energy_price=0.25 (docs/twin-ageing.md). "
    "Repeatable.",
)
@click.option(
    "--against",
    multiple=True,
    metavar="FIELD=VALUE[,FIELD=VALUE...]",
    help="The same with something changed, beside it. Repeatable.",
)
@click.option("--samples", type=int, default=200, show_default=True, help="Draws behind the bands.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of all draws.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw it: .png, .svg or .pdf (extra plots).",
)
@json_option
def whatif(
    settings: tuple[str, ...],
    against: tuple[str, ...],
    samples: int,
    seed: int,
    plot: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """SoH, range, energy and cost over years with bands, and beside it what would differ."""
    from evitals.twin.scenario import Spreads
    from evitals.twin.whatif import compare

    base = scenario(_pairs(settings) | {k: v for k, v in given.items() if v is not None})
    others = [scenario(_pairs(text.split(",")), base) for text in against]
    spreads = _checked({"samples": samples}, Spreads)
    found = compare(base, others, spreads, seed)
    if plot is not None:
        from evitals.twin.figures import draw_comparison

        draw_comparison(found, plot)
    if as_json:
        print_json(found if others else found.base)
        return
    _print(found)
    if plot is not None:
        say(f"drawn: {plot}")


def scenario(given: Mapping[str, Any], base: "Scenario | None" = None) -> "Scenario":
    """A scenario from texts, what is not given from ``base``. Raises InputError by field."""
    import msgspec

    from evitals.twin.scenario import Scenario

    known = {} if base is None else msgspec.to_builtins(base) | {"name": ""}
    found: Scenario = _checked({**known, **given}, Scenario)
    return found


def _checked(given: Mapping[str, Any], kind: type) -> Any:
    import difflib

    import msgspec

    from evitals.errors import InputError

    names = kind.__struct_fields__  # type: ignore[attr-defined]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, cutoff=0.3) or names
            raise InputError("field", name, "is no field", f"use one of {', '.join(near)}")
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`")
        raise InputError(name or "field", given.get(name), problem, "correct it") from error


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    from evitals.errors import InputError

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise InputError("field", text, "is not FIELD=VALUE", "write charge_to=0.8")
        found[name.strip().replace("-", "_")] = value.strip()
    return found


def _print(found: "Comparison") -> None:
    for projection in (found.base, *found.others):
        _print_years(projection)
    if found.differences:
        last = min(len(p.years) for p in (found.base, *found.others))
        print_table(
            f"Less the first, after {last} years",
            ["what", "SoH", "range km", "kWh/100 km", "cost"],
            [
                (d.name, f"{d.soh:+.3f}", f"{d.range_km:+.0f}", f"{d.kwh_per_100km:+.1f}",
                 f"{d.cost:+.0f}")
                for d in found.differences
            ],
        )  # fmt: skip


def _print_years(found: "Projection") -> None:
    s = found.scenario
    title = s.name or f"{s.vehicle} in {s.place}, {s.km_per_day:g} km on {s.days_per_week} days"
    if s.chemistry:
        title += f", {s.chemistry}"
    print_table(
        title,
        ["until", "SoH", "resistance", "range km", "coldest", "km", "kWh", "kWh/100 km", "cost"],
        [
            (
                f"{y.ends}{' new pack' if y.replaced else ''}",
                _band(y.soh, ".3f"),
                f"{y.resistance:.2f}",
                _band(y.range_km, ".0f"),
                f"{y.cold_range_km:.0f}",
                f"{y.km:.0f}",
                _band(y.energy_kwh, ".0f"),
                f"{y.kwh_per_100km:.1f}",
                _band(y.cost, ".0f"),
            )
            for y in found.years
        ],
    )
    say(_end(found))
    for note in found.notes:
        say(f"note: {note}")


def _band(band: "Band", form: str) -> str:
    return f"{band.value:{form}} ({band.low:{form}} to {band.high:{form}})"


def _end(found: "Projection") -> str:
    limit = f"SoH {found.scenario.end_of_life:.0%}"
    ends = (found.end_of_life_years, found.end_of_life_low, found.end_of_life_high)
    value, low, high = ("not reached" if end is None else f"{end:.1f} years" for end in ends)
    return f"{limit}: {value} (5th and 95th percentile: {low}, {high})"
