"""Programs of every kind with made-up weights, and columns to run them on."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evitals.estimators.program import Program
from evitals.estimators.program import builders as b
from tests.estimators.voltage import made_up as voltage

Array = NDArray[np.float64]

SOC = [0.0, 0.05, 0.1, 0.3, 0.6, 0.8, 1.0]
DEGC = [-20.0, -10.0, 0.0, 25.0, 40.0]
SCALING = b.Scaling([1.0, 0.1, 1 / 60], [0.0, 0.5, 0.3])
TAU_S = [1.0, 3.0, 30.0, 300.0]


def _table(low: float, high: float, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(low, high, (len(SOC), len(DEGC)))


def _layers(*widths: int, seed: int = 1) -> list[b.Layer]:
    rng = np.random.default_rng(seed)
    return [
        b.Layer(rng.normal(0.0, wide**-0.5, (out, wide)), rng.normal(0.0, 0.3, out))
        for wide, out in pairwise(widths)
    ]


def _cell(gates: int, wide: int, h: int, seed: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    shapes = ((gates * h, wide), (gates * h, h), (gates * h,), (gates * h,))
    first, second, third, fourth = (rng.uniform(-0.5, 0.5, shape) for shape in shapes)
    return first, second, third, fourth


def static_table() -> Program:
    return b.static_table(SOC, DEGC, 3.0 + _table(0.0, 1.2, 3), _table(0.01, 0.1, 4))


def circuit(asinh: bool = False) -> Program:
    branches = b.Branches(np.stack([_table(0.002, 0.02, k) for k in range(4)]), TAU_S)
    bent = b.Asinh(_table(0.01, 0.03, 9), 0.5) if asinh else None
    ocv = np.linspace(3.0, 4.2, 21)
    return b.circuit(
        SOC, DEGC, ocv, _table(0.01, 0.1, 4), branches, asinh=bent, ocv_soc=np.linspace(0, 1, 21)
    )


def fnn() -> Program:
    return b.fnn(_layers(3, 16, 16, 1), activation="tanh", scaling=SCALING)


def filter_fnn() -> Program:
    return b.filter_fnn(_layers(8, 32, 32, 1), TAU_S, 0.5)


def lstm() -> Program:
    cells = [b.Lstm(*_cell(4, 3, 10, 5)), b.Lstm(*_cell(4, 10, 6, 6))]
    return b.lstm(cells, _layers(6, 8, 1), 1.0, scaling=SCALING)


def gru() -> Program:
    return b.gru([b.Gru(*_cell(3, 3, 12, 7))], _layers(12, 1), 1.0, scaling=SCALING)


def residual() -> Program:
    return b.residual(circuit(), filter_fnn())


def recurrent_residual() -> Program:
    return b.residual(circuit(asinh=True), lstm())


KINDS: dict[str, Callable[[], Program]] = {
    "static_table": static_table,
    "circuit": circuit,
    "circuit_asinh": lambda: circuit(asinh=True),
    "linear_circuit": lambda: voltage.circuit(kinetic_a=None).program(),
    "linear_circuit_asinh": lambda: voltage.circuit().program(),
    "static_ocv_resistance": lambda: voltage.circuit(kinetic_a=None, tau_s=()).program(),
    "fnn": fnn,
    "filter_fnn": filter_fnn,
    "lstm": lstm,
    "gru": gru,
    "circuit_residual": residual,
    "recurrent_residual": recurrent_residual,
}


def columns(rows: int = 400, seed: int = 0) -> dict[str, Array]:
    """A made-up drive on a 1 s grid: blocks of current, SoC and temperature beyond the tables."""
    rng = np.random.default_rng(seed)
    return {
        "time_s": np.arange(float(rows)),
        "soc": np.linspace(1.02, -0.02, rows),
        "current_a": np.repeat(rng.uniform(-20.0, 6.0, rows // 5 + 1), 5)[:rows],
        "temperature_degc": np.linspace(-25.0, 45.0, rows),
    }


def irregular(rows: int = 400, seed: int = 0) -> dict[str, Array]:
    """The same at uneven times, two of them equal."""
    made = columns(rows, seed)
    dt = np.random.default_rng(seed).exponential(2.0, rows)
    dt[rows // 2] = 0.0
    return made | {"time_s": np.cumsum(dt)}


def stepped(machine: object, made: dict[str, Array]) -> Array:
    """Answers of ``step`` after ``step``, dt 0 at the first."""
    names = [name for name in made if name != "time_s"]
    dt = np.diff(made["time_s"], prepend=made["time_s"][0])
    rows = zip(dt.tolist(), *(made[name].tolist() for name in names), strict=True)
    return np.array([machine.step(*row) for row in rows])  # type: ignore[attr-defined]
