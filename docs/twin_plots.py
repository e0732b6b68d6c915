"""Draws the plots of docs/twin.md into docs/images/: ``python docs/twin_plots.py [name ...]``.

Needs the [plots] extra. Each plot is a function of its name here that draws stored results, so
that a plot never says anything else than the numbers in benchmarks/results/ and in
tests/twin/frozen/.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "images"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
FROZEN = Path(__file__).parent.parent / "tests" / "twin" / "frozen"
TWIN, PLAIN, OTHER = "#0b6e99", "#9aa5ad", "#d98324"
"""Colours of the twin, of what it is held against, and of another model."""


def figure(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure and its axes, without a display."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    drawn, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained")
    return drawn, axes


def save(drawn: Any, name: str) -> Path:
    """Write a figure as docs/images/NAME.png."""
    path = IMAGES / f"{name}.png"
    drawn.savefig(path, dpi=110, metadata={"Software": None})
    return path


def i3() -> Path:
    """Energy of the BMW i3's winter drives: twin against recording, and errors over ambient."""
    stored = json.loads((RESULTS / "twin_i3.json").read_text(encoding="utf-8"))
    rows, bar = stored["rows"], stored["bar"]
    drawn, (left, right) = figure(1, 2, 9.0, 3.8)
    most = 1.1 * max(max(r["energy_kwh"], r["twin_kwh"]) for r in rows)
    left.fill_between(
        [0, most], [0, most * (1 - bar)], [0, most * (1 + bar)], color=PLAIN, alpha=0.25, lw=0
    )
    left.plot([0, most], [0, most], color=PLAIN, lw=1)
    left.scatter([r["energy_kwh"] for r in rows], [r["twin_kwh"] for r in rows], s=18, color=TWIN)
    left.set(
        xlabel="recorded, kWh",
        ylabel="twin, kWh",
        xlim=(0, most),
        ylim=(0, most),
        title=f"Winter drives; band: ±{bar:.0%}",
    )
    series = [
        ("energy_error_constant", "summer's kWh/km", OTHER),
        ("energy_error_unfitted", "twin, not fitted", PLAIN),
        ("energy_error", "twin", TWIN),
    ]
    for name, label, colour in series:
        at = [r["ambient_degc"] for r in rows]
        right.scatter(at, [100 * r[name] for r in rows], s=18, color=colour, label=label)
    right.axhline(0, color=PLAIN, lw=1)
    right.set(xlabel="ambient, °C", ylabel="energy error, %", title="Error by ambient temperature")
    right.legend(frameon=False)
    return save(drawn, "twin-i3")


def fastsim() -> Path:
    """FASTSim's electric cars: battery power of the Zoe on UDDS, and energy error by cycle."""
    import msgspec
    import numpy as np

    from evitals.twin import cycles, road
    from evitals.twin.vehicle import TwinVehicle

    drawn, (left, right) = figure(1, 2, 9.0, 3.8)
    for place, path in enumerate(sorted(FROZEN.glob("fastsim_*.json"))):
        frozen = json.loads(path.read_text(encoding="utf-8"))
        car = msgspec.convert(frozen["vehicle"], TwinVehicle)
        errors = []
        for name, theirs in frozen["cycles"].items():
            cycle = cycles.cycle(name)
            ours = road.drive(car, cycle.time_s, cycle.speed_mps, regeneration="fastsim")
            errors.append(100 * (-ours.power_w.sum() / 3.6e6 / theirs["energy_kwh"] - 1))
            if name == "udds" and "zoe" in path.name:
                kept = np.array(theirs["power_w"])
                every = cycle.time_s.size // kept.size
                left.plot(cycle.time_s, -ours.power_w / 1000, color=TWIN, lw=0.8, label="twin")
                at = cycle.time_s[every::every]
                left.plot(at, -kept / 1000, "o", ms=3, color=OTHER, label="FASTSim 3.1")
        label = frozen["vehicle"]["source"].removeprefix("FASTSim: ")
        where = np.arange(len(errors)) + 0.2 * (place - 1.5)
        right.bar(where, errors, 0.18, label=label)
    left.set(xlabel="s", ylabel="battery power, kW", xlim=(0, 700), title="Zoe on UDDS")
    left.legend(frameon=False)
    right.set_xticks(range(4), ["UDDS", "HWFET", "US06", "WLTC"])
    right.set(ylabel="energy error, %", ylim=(-0.3, 0.3), title="FASTSim's electric cars")
    right.axhline(0, color=PLAIN, lw=1)
    right.legend(frameon=False, fontsize=7, loc="upper right")
    return save(drawn, "twin-fastsim")


def blast() -> Path:
    """SoH over eight years by BLAST-Lite (points) and by the twin (lines), and what differs."""
    from evitals.twin.oracles import blast as oracle

    frozen = json.loads((FROZEN / "blast.json").read_text(encoding="utf-8"))
    shown = {"nmc-pouch-50ah": "NMC", "nca-panasonic-18650b": "NCA", "lfp-sony-murata-3ah": "LFP"}
    drawn, axes = figure(1, 4, 11.0, 3.2)
    years = range(1, oracle.YEARS + 1)
    for axis, (model, title) in zip(axes, shown.items(), strict=False):
        for place, colour in zip(oracle.CLIMATES, ("#3b7dd8", "#6b8e23", "#c0392b"), strict=True):
            ours = oracle.ours(model, oracle.CLIMATES[place], oracle.DUTIES["long"])
            axis.plot(years, ours.soh, color=colour, lw=1.2, label=place)
            axis.plot(years, frozen[model][f"{place}, long"]["soh"], "o", ms=3.5, color=colour)
        axis.set(title=f"{title}, long drives", xlabel="years", ylim=(0.78, 1.0))
    axes[0].set(ylabel="SoH (points: BLAST-Lite)")
    axes[0].legend(frameon=False)
    errors = []
    for model in shown:
        apart = [
            abs(a - b)
            for place, use in oracle.CASES
            for a, b in zip(
                oracle.ours(model, oracle.CLIMATES[place], oracle.DUTIES[use]).soh,
                frozen[model][f"{place}, {use}"]["soh"],
                strict=True,
            )
        ]
        errors.append(max(apart))
    axes[3].bar(range(3), errors, color=TWIN, width=0.5)
    axes[3].axhline(0.005, color=OTHER, lw=1)
    axes[3].set_yscale("log")
    axes[3].set_xticks(range(3), list(shown.values()))
    axes[3].set(title="largest difference, 12 lives", ylim=(1e-5, 1e-2), ylabel="SoH (line: bar)")
    return save(drawn, "twin-blast")


def whatif() -> Path:
    """Years of one car, its chemistries and places, with bands."""
    from evitals.twin import scenario as twin
    from evitals.twin.figures import draw_comparison
    from evitals.twin.whatif import compare

    base = twin.Scenario(name="Zoe in Berlin, 40 km a day")
    others = [
        twin.Scenario(chemistry="LFP"),
        twin.Scenario(place="phoenix"),
        twin.Scenario(place="phoenix", chemistry="NCA"),
    ]
    return draw_comparison(compare(base, others), IMAGES / "twin-whatif.png")


def balance() -> Path:
    """OCV of cells with 85 % of their capacity, by lost lithium and material."""
    import numpy as np

    from evitals.twin import balance as electrodes
    from evitals.twin import cell

    drawn, axes = figure(1, 3, 10.0, 3.2)
    names = {"nmc811-lgm50": "NMC811", "nca-kim2011": "NCA", "lfp-prada2013": "LFP"}
    soc = np.linspace(0.0, 1.0, cell.GRID)
    ways = (((0.0, 0.0), "lithium alone", TWIN), ((0.1, 0.0), "also 10 % negative", OTHER))
    for axis, (name, title) in zip(axes, names.items(), strict=True):
        new = cell.ocv_table(name)
        for (negative, positive), label, colour in ways:
            lost = electrodes.for_capacity(cell.electrodes(name), 0.85, negative, positive)
            aged = cell.ocv_table(name, *lost)
            axis.plot(soc, 1000 * (aged - new), color=colour, lw=1.2, label=f"lost: {label}")
        axis.axhline(0.0, color=PLAIN, lw=0.8)
        axis.set(title=title, xlabel="SoC", ylim=(-60, 120))
    axes[0].set(ylabel="OCV at 85 % capacity over new, mV")
    axes[0].legend(frameon=False, fontsize=8)
    return save(drawn, "twin-balance")


def spme() -> Path:
    """PyBaMM's cell voltages on UDDS and the twin's, and the rms of the difference."""
    import msgspec
    import numpy as np

    from evitals.twin.oracles import spme as oracle

    drawn, (left, right) = figure(1, 2, 9.0, 3.8)
    names = {"nmc811-lgm50": "NMC", "nca-kim2011": "NCA", "lfp-prada2013": "LFP"}
    for shift, (name, title) in enumerate(names.items()):
        text = (FROZEN / f"spme_{name}.json").read_bytes()
        frozen = msgspec.json.decode(text, type=oracle.Frozen)
        found = oracle.errors_mv(name, frozen)
        for mark, soc in zip("o^s", oracle.SOCS, strict=True):
            rms = [found[f"{degc:g} {soc:g}"][0] for degc in oracle.DEGCS]
            at = np.arange(len(rms)) + 0.22 * (shift - 1)
            colour = (TWIN, OTHER, PLAIN)[shift]
            label = title if mark == "o" else None
            right.plot(at, rms, mark, color=colour, ms=5, label=label)
        if name != "nmc811-lgm50":
            continue
        for degc, label in ((25.0, "25 °C"), (-10.0, "-10 °C")):
            twin = oracle.twin_voltage_v(name, np.array(frozen.c_rate), 0.5, degc)
            volts = np.array(frozen.voltage_v[f"{degc:g} 0.5"])
            at = np.arange(volts.size) * float(oracle.FROZEN_EVERY)
            left.plot(at, volts, color=PLAIN, lw=2.5)
            left.plot(at, twin[:: oracle.FROZEN_EVERY][: at.size], color=TWIN, lw=0.8)
            left.text(255, {25.0: 3.672, -10.0: 3.48}[degc], label, ha="center", fontsize=8)
    left.set(xlim=(150, 450), xlabel="s", ylabel="V", title="NMC on UDDS: SPMe (grey), twin")
    right.set_xticks(range(len(oracle.DEGCS)), [f"{degc:g} °C" for degc in oracle.DEGCS])
    right.set(ylabel="rms, mV", ylim=(0, 16), title="UDDS from SoC 0.9 (o), 0.5 (^), 0.2 (s)")
    right.legend(frameon=False, fontsize=8)
    return save(drawn, "twin-spme")


PLOTS: dict[str, Callable[[], Path]] = {
    "i3": i3,
    "fastsim": fastsim,
    "spme": spme,
    "blast": blast,
    "balance": balance,
    "whatif": whatif,
}


def main() -> int:
    """Draw the plots named, or all."""
    names = sys.argv[1:] or list(PLOTS)
    unknown = [name for name in names if name not in PLOTS]
    if unknown:
        print(f"no plot {unknown[0]}: use one of {', '.join(PLOTS)}", file=sys.stderr)
        return 2
    for name in names:
        print(PLOTS[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
