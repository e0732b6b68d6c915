"""PyBaMM's electrode state of health of aged cells, frozen.

``python -m evitals.twin.oracles.balance OUT.json`` solves the same balances with PyBaMM (extra
``[physics]``; PYBAMM_DISABLE_TELEMETRY=true keeps it quiet) and writes what tests compare with.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from evitals.errors import MissingExtra
from evitals.twin import cell
from evitals.twin.balance import Balance

CELLS = {
    "nmc811-lgm50": "ORegan2022",
    "nmc811-rebalanced": "Chen2020",
    "nca-kim2011": "NCA_Kim2011",
    "lfp-prada2013": "Prada2013",
}
"""Our OCV sets and the PyBaMM parameter sets with the same electrodes."""
BALANCES: list[Balance] = [
    (0.0, 0.0, 0.0),
    (0.05, 0.0, 0.0),
    (0.15, 0.0, 0.0),
    (0.3, 0.0, 0.0),
    (0.05, 0.1, 0.0),
    (0.05, 0.0, 0.1),
    (0.1, 0.05, 0.05),
    (0.2, 0.1, 0.0),
    (0.2, 0.0, 0.15),
]
SOC = [round(0.05 * k, 2) for k in range(21)]


class Aged(Struct, frozen=True):
    """An aged cell by PyBaMM: losses, capacity over new, stoichiometries, OCV at ``SOC``."""

    lost: Balance
    capacity: float
    stoichiometries: tuple[float, float, float, float]
    ocv_v: list[float]


def theirs(name: str, lost: Balance) -> Aged:
    """One aged cell by PyBaMM's solver and potentials. Raises MissingExtra."""
    os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
    try:
        import pybamm
    except ImportError as error:
        raise MissingExtra("physics") from error
    values: Any = pybamm.ParameterValues(CELLS[name])
    new = cell.electrodes(name)
    for bound, volts in (("0", new.voltage_empty_v), ("100", new.voltage_full_v)):
        values[f"Open-circuit voltage at {bound}% SOC [V]"] = volts
    values["Lower voltage cut-off [V]"] = new.voltage_empty_v
    values["Upper voltage cut-off [V]"] = new.voltage_full_v
    solver = pybamm.lithium_ion.ElectrodeSOHSolver(values)
    negative = 1.0 / (new.negative_full - new.negative_empty)
    positive = 1.0 / (new.positive_empty - new.positive_full)
    lithium = new.negative_full * negative + new.positive_full * positive
    found = []
    for lli, lam_negative, lam_positive in ((0.0, 0.0, 0.0), lost):
        inputs = {
            "Q_n": negative * (1.0 - lam_negative),
            "Q_p": positive * (1.0 - lam_positive),
            "Q_Li": lithium * (1.0 - lli),
        }
        solved = solver.solve(inputs)
        found.append({key: float(solved[key]) for key in ("Q", "x_0", "x_100", "y_0", "y_100")})
    ends, soc = found[1], np.array(SOC)
    x = ends["x_0"] + (ends["x_100"] - ends["x_0"]) * soc
    y = ends["y_0"] + (ends["y_100"] - ends["y_0"]) * soc
    param, kelvin = solver.param, values["Reference temperature [K]"]
    ocv = [
        float(values.evaluate(param.p.prim.U(pybamm.Scalar(b), kelvin)))
        - float(values.evaluate(param.n.prim.U(pybamm.Scalar(a), kelvin)))
        for a, b in zip(x, y, strict=True)
    ]
    return Aged(
        lost,
        round(ends["Q"] / found[0]["Q"], 6),
        (
            round(ends["x_0"], 6),
            round(ends["x_100"], 6),
            round(ends["y_0"], 6),
            round(ends["y_100"], 6),
        ),
        [round(volts, 5) for volts in ocv],
    )


def recompute() -> dict[str, list[Aged]]:
    """Every cell in every balance by PyBaMM."""
    return {name: [theirs(name, lost) for lost in BALANCES] for name in CELLS}


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(msgspec.json.format(msgspec.json.encode(recompute()), indent=0))
