"""A linear RC circuit of one cell with tables over SoC and temperature.

    v   = OCV(soc) + U(soc,T) + R0(soc,T) i + A(soc,T) asinh(i / i0) + sum_k Rk(soc,T) ik
    ik' = ik + (1 - exp(-dt/tau_k)) (i - ik)

``ik`` is the current through the resistor of branch k, exact while ``i`` holds over dt: G. Plett,
Battery Management Systems, vol. 1, eqs. 2.8-2.10 (2015). The asinh is the Butler-Volmer equation
solved for the overpotential (charge transfer coefficient one half). All is linear in the tables.
Current is positive while charging; everything is one cell.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError
from evitals.estimators.program.builders import INPUTS
from evitals.estimators.program.program import Node, Output, Program

Array = NDArray[np.float64]

KIND = "linear_circuit"
STATIC = "static_ocv_resistance"


class Point(NamedTuple):
    """The circuit at one SoC and temperature: V, ohm, V, ohm (K,), A."""

    ocv_v: float
    r0_ohm: float
    kinetic_v: float
    branch_ohm: Array
    kinetic_a: float


@dataclass(frozen=True, slots=True, eq=False)
class Circuit:
    """The circuit's tables. Raises InputError for shapes that do not fit.

    ``ocv_v`` (O,) over ``ocv_soc`` (O,); ``tables`` (S, T, W) over ``soc`` (S,) and
    ``temperature_degc`` (T,): the OCV's correction in V, R0 in ohm, with ``kinetic_a`` also A in
    V, then Rk in ohm for each of ``tau_s`` (K,). Bilinear, constant beyond the knots.
    """

    ocv_soc: Array
    ocv_v: Array
    soc: Array
    temperature_degc: Array
    tau_s: Array
    kinetic_a: float | None
    tables: Array

    def __post_init__(self) -> None:
        width = 2 + (self.kinetic_a is not None) + len(self.tau_s)
        expected = (len(self.soc), len(self.temperature_degc), width)
        if self.tables.shape != expected:
            raise InputError(
                "tables", self.tables.shape, f"is not the shape {expected}", "give one value a knot"
            )

    @property
    def kind(self) -> str:
        """The program's kind: the circuit, with or without its kinetic term; without branches a
        static table."""
        if not len(self.tau_s) and self.kinetic_a is None:
            return STATIC
        return KIND if self.kinetic_a is None else f"{KIND}_asinh"

    def program(self) -> Program:
        """The circuit as a program: soc, current and temperature in, voltage out."""
        nodes, terms = [], ["current_a"]
        if self.kinetic_a is not None:
            nodes.append(Node("asinh", "bent", ("current_a",), (), {"scale": self.kinetic_a}))
            terms.append("bent")
        if len(self.tau_s):
            nodes.append(Node("ema", "flows", ("current_a",), ("tau_s",)))
            terms.append("flows")
        place = ("soc", "temperature_degc")
        knots = ("soc_knots", "degc_knots")
        nodes += [
            Node("pack", "terms", tuple(terms)),
            Node("table2d", "resistances", place, (*knots, "resistance_values")),
            Node("product", "drops", ("resistances", "terms")),
            Node("sum", "drop", ("drops",)),
            Node("table1d", "ocv", ("soc",), ("ocv_soc", "ocv_values")),
            Node("table2d", "correction", place, (*knots, "correction_values")),
            Node("add", "voltage_v", ("ocv", "correction", "drop")),
        ]
        arrays = {
            **({"tau_s": self.tau_s} if len(self.tau_s) else {}),
            "soc_knots": self.soc,
            "degc_knots": self.temperature_degc,
            "resistance_values": self.tables[:, :, 1:],
            "correction_values": self.tables[:, :, :1],
            "ocv_soc": self.ocv_soc,
            "ocv_values": self.ocv_v[:, None],
        }
        return Program(
            self.kind,
            INPUTS,
            tuple(nodes),
            {name: np.asarray(values, np.float32) for name, values in arrays.items()},
            Output("voltage_v", "V", "voltage_v"),
        )

    @classmethod
    def from_program(cls, program: Program) -> "Circuit":
        """The circuit that ``program`` is. Raises InputError for a program of another kind."""
        if program.kind not in (STATIC, KIND, f"{KIND}_asinh"):
            raise InputError(
                "program", program.kind, "is no linear circuit", "give one that `program` made"
            )
        scales = [node.numbers["scale"] for node in program.nodes if node.op == "asinh"]
        arrays = {name: values.astype(np.float64) for name, values in program.arrays.items()}
        return cls(
            ocv_soc=arrays["ocv_soc"],
            ocv_v=arrays["ocv_values"][:, 0],
            soc=arrays["soc_knots"],
            temperature_degc=arrays["degc_knots"],
            tau_s=arrays.get("tau_s", np.empty(0)),
            kinetic_a=scales[0] if scales else None,
            tables=np.concatenate([arrays["correction_values"], arrays["resistance_values"]], -1),
        )

    def ocv(self, soc: ArrayLike, temperature_degc: float) -> Array:
        """Open-circuit voltage, V, shape of ``soc``; constant beyond the tables."""
        charge = np.asarray(soc, np.float64)
        correction = np.interp(charge, self.soc, self._at_temperature(temperature_degc)[:, 0])
        return np.asarray(np.interp(charge, self.ocv_soc, self.ocv_v) + correction)

    def at(self, soc: float, temperature_degc: float) -> Point:
        """Everything at one point."""
        row = self._at_temperature(temperature_degc)
        values = np.array([np.interp(soc, self.soc, column) for column in row.T])
        first = 2 if self.kinetic_a is None else 3
        return Point(
            ocv_v=float(np.interp(soc, self.ocv_soc, self.ocv_v) + values[0]),
            r0_ohm=float(values[1]),
            kinetic_v=0.0 if self.kinetic_a is None else float(values[2]),
            branch_ohm=values[first:],
            kinetic_a=self.kinetic_a or 1.0,
        )

    def _at_temperature(self, temperature_degc: float) -> Array:
        """Tables (S, W) at one temperature."""
        knots = self.temperature_degc
        low = int(np.clip(np.searchsorted(knots, temperature_degc, "right") - 1, 0, len(knots) - 2))
        part = (temperature_degc - knots[low]) / (knots[low + 1] - knots[low])
        part = min(max(float(part), 0.0), 1.0)
        return np.asarray((1.0 - part) * self.tables[:, low] + part * self.tables[:, low + 1])
