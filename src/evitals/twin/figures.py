"""What-if as a picture. Extra ``[plots]`` (matplotlib, without a display)."""

from pathlib import Path
from typing import Any

from evitals.errors import InputError, MissingExtra
from evitals.twin.scenario import Comparison, Projection

COLOURS = ("#1f5f8b", "#d1601f", "#3d8b52", "#8b4a9c", "#8a7a1c", "#b03052")
KINDS = (".png", ".svg", ".pdf")


def draw_comparison(found: Comparison, path: Path) -> Path:
    """Draw SoH, range, energy and cost of all projections into a file; returns its path.

    The ending of the name chooses PNG, SVG or PDF. Raises MissingExtra and InputError.
    """
    if path.suffix.lower() not in KINDS:
        raise InputError("plot", path.name, "is no picture's name", f"end it in {', '.join(KINDS)}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("plots") from error
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2).ravel()
    names = _names(found)
    for colour, name, projection in zip(
        COLOURS * 9, names, (found.base, *found.others), strict=False
    ):
        _lines(panels, projection, name, colour)
    for panel, title in zip(
        panels,
        ("state of health", "range, full to empty, km", "energy a year, kWh", "cost so far"),
        strict=True,
    ):
        panel.set_title(title, fontsize=10, loc="left")
        panel.grid(alpha=0.25)
        panel.tick_params(labelsize=8)
        panel.set_xlabel("years", fontsize=8)
    panels[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def _names(found: Comparison) -> list[str]:
    s = found.base.scenario
    first = s.name or f"{s.vehicle}, {s.place}, {s.km_per_day:g} km a day"
    return [first, *(difference.name for difference in found.differences)]


def _lines(panels: Any, projection: Projection, name: str, colour: str) -> None:
    years = range(1, len(projection.years) + 1)
    for panel, bands in zip(
        panels,
        (
            [y.soh for y in projection.years],
            [y.range_km for y in projection.years],
            [y.energy_kwh for y in projection.years],
            [y.cost for y in projection.years],
        ),
        strict=True,
    ):
        panel.plot(years, [b.value for b in bands], color=colour, label=name)
        low, high = [b.low for b in bands], [b.high for b in bands]
        panel.fill_between(years, low, high, color=colour, alpha=0.15, linewidth=0)
