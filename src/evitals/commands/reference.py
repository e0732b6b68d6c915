"""``evitals settings`` and ``evitals signals``: what can be set, and what is measured."""

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table


@click.command()
@json_option
def settings(as_json: bool) -> None:
    """Every setting: its environment name, value now, default and meaning."""
    from evitals.settings import PREFIX, Settings

    now = Settings.load()
    rows = [
        {
            "name": PREFIX + about.name.upper(),
            "value": getattr(now, about.name),
            "default": about.default,
            "meaning": about.meaning,
        }
        for about in Settings.described()
    ]
    if as_json:
        print_json({"settings": rows})
        return
    print_table(
        "Settings", ["environment", "value", "default", "meaning"], [[*r.values()] for r in rows]
    )


@click.command()
@json_option
def signals(as_json: bool) -> None:
    """Every signal: name, unit, plausible range and meaning."""
    from evitals.signals import RESULTS, SIGNALS

    rows = [
        {
            "name": s.name,
            "unit": s.unit,
            "low": s.low,
            "high": s.high,
            "meaning": s.meaning,
            "kind": "measured" if s.name in SIGNALS else "answered",
        }
        for s in [*SIGNALS.values(), *RESULTS.values()]
    ]
    if as_json:
        print_json({"signals": rows})
        return
    print_table(
        "Signals",
        ["name", "unit", "plausible", "meaning"],
        [(r["name"], r["unit"], f"{r['low']:g} to {r['high']:g}", r["meaning"]) for r in rows],
    )
