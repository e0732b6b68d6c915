"""Programs of every model kind from plain weights and tables.

Networks take weights as PyTorch names and orders them (LSTM gates i, f, g, o; GRU r, z, n; a linear
layer's weight is (out, in)). Their ``scaling`` is folded into the first weights: what a program
takes is always physical units. All raise InputError for arrays that do not fit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError
from evitals.estimators.program.program import Input, Node, Output, Program
from evitals.signals import SIGNALS

Array = NDArray[np.float64]


def signal(name: str) -> Input:
    """An input with the unit and the plausible range of ``evitals.signals``."""
    known = SIGNALS[name]
    return Input(name, known.unit, known.low, known.high)


INPUTS = (signal("soc"), signal("current_a"), signal("temperature_degc"))
"""What a voltage estimator takes, in this order."""
VOLTAGE = ("voltage_v", "V")
CURRENT_A = "current_a"


class Scaling(NamedTuple):
    """z = x * scale + offset, (n,) each: what a network was trained on."""

    scale: ArrayLike
    offset: ArrayLike


class Layer(NamedTuple):
    """A linear layer: weight (out, in), bias (out,)."""

    weight: ArrayLike
    bias: ArrayLike


class Lstm(NamedTuple):
    """``weight_ih_l0`` (4h, in), ``weight_hh_l0`` (4h, h), ``bias_ih_l0``, ``bias_hh_l0`` (4h,)."""

    weight_ih: ArrayLike
    weight_hh: ArrayLike
    bias_ih: ArrayLike
    bias_hh: ArrayLike


class Gru(NamedTuple):
    """``weight_ih_l0`` (3h, in), ``weight_hh_l0`` (3h, h), ``bias_ih_l0``, ``bias_hh_l0`` (3h,)."""

    weight_ih: ArrayLike
    weight_hh: ArrayLike
    bias_ih: ArrayLike
    bias_hh: ArrayLike


def static_table(
    soc: ArrayLike,
    temperature_degc: ArrayLike,
    ocv_v: ArrayLike,
    resistance_ohm: ArrayLike,
    *,
    inputs: Sequence[Input] = INPUTS,
) -> Program:
    """v = OCV(soc, T) + R(soc, T) i; tables (S, T) over ``soc`` (S,) and ``temperature_degc``
    (T,), bilinear and constant beyond."""
    draft = _Draft("static_table", inputs)
    draft.tables(soc, temperature_degc, [ocv_v, resistance_ohm], "table")
    draft.node("product", "drop", ["table_1", CURRENT_A])
    draft.node("add", "voltage_v", ["table_0", "drop"])
    return draft.program("voltage_v")


class Branches(NamedTuple):
    """RC branches: ``resistance_ohm`` (K, S, T) over the circuit's knots, ``tau_s`` (K,)."""

    resistance_ohm: ArrayLike
    tau_s: ArrayLike


class Asinh(NamedTuple):
    """A Butler-Volmer term: ``voltage_v`` (S, T) times asinh(i / ``current_a``)."""

    voltage_v: ArrayLike
    current_a: float


def circuit(
    soc: ArrayLike,
    temperature_degc: ArrayLike,
    ocv_v: ArrayLike,
    r0_ohm: ArrayLike,
    branches: Branches,
    *,
    asinh: Asinh | None = None,
    ocv_soc: ArrayLike | None = None,
    inputs: Sequence[Input] = INPUTS,
) -> Program:
    """v = OCV + R0 i + sum vk (+ U asinh(i / i0)); vk' = vk e + (1 - e) Rk i, e = exp(-dt/tau_k).

    Any number of branches. Tables (S, T) over ``soc`` (S,) and ``temperature_degc`` (T,); with
    ``ocv_soc`` (O,) the OCV is (O,) of its own, without temperature. Exact in dt while the current
    holds. G. Plett, Battery Management Systems, vol. 1, eqs. 2.8-2.10 (2015).
    """
    rk, tau = _floats(branches.resistance_ohm, "resistance_ohm"), _floats(branches.tau_s, "tau_s")
    if tau.ndim != 1 or rk.ndim != 3 or len(rk) != len(tau):
        raise InputError("tau_s", tau.shape, f"are not branches {rk.shape}", "give one a branch")
    kind = "circuit" if asinh is None else "circuit_asinh"
    draft = _Draft(kind, inputs)
    tables = [r0_ohm] + ([ocv_v] if ocv_soc is None else []) + ([asinh.voltage_v] if asinh else [])
    draft.tables(soc, temperature_degc, tables, "table")
    draft.tables(soc, temperature_degc, [np.moveaxis(rk, 0, -1)], "resistances")
    draft.node("product", "drop", ["table_0", CURRENT_A])
    draft.node("product", "driven", ["resistances_0", CURRENT_A])
    draft.node("ema", "branches", ["driven"], {"tau_s": tau})
    draft.node("sum", "relaxing", ["branches"])
    parts = ["drop", "relaxing"]
    if ocv_soc is None:
        parts.append("table_1")
    else:
        ocv = {"ocv_soc": _floats(ocv_soc, "ocv_soc"), "ocv_v": _floats(ocv_v, "ocv_v")[:, None]}
        draft.node("table1d", "ocv", ["soc"], ocv)
        parts.append("ocv")
    if asinh is not None:
        draft.node("asinh", "bent", [CURRENT_A], numbers={"scale": asinh.current_a})
        draft.node("product", "kinetic", [f"table_{len(tables) - 1}", "bent"])
        parts.append("kinetic")
    draft.node("add", "voltage_v", parts)
    return draft.program("voltage_v")


def fnn(
    layers: Sequence[Layer],
    *,
    activation: str = "relu",
    scaling: Scaling | None = None,
    inputs: Sequence[Input] = INPUTS,
    output: tuple[str, str] = VOLTAGE,
) -> Program:
    """A feed-forward network; ``activation`` (relu or tanh) between layers, none after the last."""
    draft = _Draft("fnn", inputs)
    draft.node("pack", "x", [i.name for i in inputs])
    draft.layers("x", layers, activation, scaling)
    return draft.program(draft.last, output)


def filter_fnn(
    layers: Sequence[Layer],
    tau_s: ArrayLike,
    asinh_a: float,
    *,
    activation: str = "relu",
    scaling: Scaling | None = None,
    inputs: Sequence[Input] = INPUTS,
    output: tuple[str, str] = VOLTAGE,
) -> Program:
    """A feed-forward network over [inputs in their order, asinh(i / asinh_a), exponential means of
    the current with ``tau_s`` (K,)]; ``scaling`` covers all these features. Exact in dt."""
    draft = _Draft("filter_fnn", inputs)
    draft.node("asinh", "bent", [CURRENT_A], numbers={"scale": asinh_a})
    draft.node("ema", "means", [CURRENT_A], {"tau_s": _floats(tau_s, "tau_s")})
    draft.node("pack", "x", [*(i.name for i in inputs), "bent", "means"])
    draft.layers("x", layers, activation, scaling)
    return draft.program(draft.last, output)


def lstm(
    cells: Sequence[Lstm],
    head: Sequence[Layer],
    step_s: float,
    *,
    activation: str = "relu",
    scaling: Scaling | None = None,
    inputs: Sequence[Input] = INPUTS,
    output: tuple[str, str] = VOLTAGE,
) -> Program:
    """A stack of LSTM layers and a feed-forward head, for one step time ``step_s``."""
    draft = _Draft("lstm", inputs)
    draft.node("pack", "x", [i.name for i in inputs])
    for k, cell in enumerate(cells):
        weight, bias = _folded(cell.weight_ih, cell.bias_ih, scaling if k == 0 else None)
        arrays = {
            f"cell{k}_input": weight,
            f"cell{k}_state": _floats(cell.weight_hh, "weight_hh"),
            f"cell{k}_bias": bias + _floats(cell.bias_hh, "bias_hh"),
        }
        draft.node("lstm", f"cell{k}", [draft.last], arrays)
    draft.layers(draft.last, head, activation, None if cells else scaling)
    return draft.program(draft.last, output, step_s)


def gru(
    cells: Sequence[Gru],
    head: Sequence[Layer],
    step_s: float,
    *,
    activation: str = "relu",
    scaling: Scaling | None = None,
    inputs: Sequence[Input] = INPUTS,
    output: tuple[str, str] = VOLTAGE,
) -> Program:
    """A stack of GRU layers and a feed-forward head, for one step time ``step_s``."""
    draft = _Draft("gru", inputs)
    draft.node("pack", "x", [i.name for i in inputs])
    for k, cell in enumerate(cells):
        weight, bias = _folded(cell.weight_ih, cell.bias_ih, scaling if k == 0 else None)
        arrays = {
            f"cell{k}_input": weight,
            f"cell{k}_state": _floats(cell.weight_hh, "weight_hh"),
            f"cell{k}_input_bias": bias,
            f"cell{k}_state_bias": _floats(cell.bias_hh, "bias_hh"),
        }
        draft.node("gru", f"cell{k}", [draft.last], arrays)
    draft.layers(draft.last, head, activation, None if cells else scaling)
    return draft.program(draft.last, output, step_s)


def residual(base: Program, correction: Program) -> Program:
    """``base`` plus ``correction``, a network trained on what the base leaves; inputs and output
    are the base's. Raises InputError where the correction knows other inputs or units."""
    if base.inputs != correction.inputs or base.output.unit != correction.output.unit:
        raise InputError(
            "correction",
            [i.name for i in correction.inputs],
            "has not the inputs and the output's unit of its base",
            "train it on the same signals",
        )
    steps = {p.step_s for p in (base, correction)} - {None}
    if len(steps) > 1:
        raise InputError("step_s", sorted(map(str, steps)), "differ", "train for one step time")
    names = {i.name for i in base.inputs}
    parts = [_renamed(base, "a_", names), _renamed(correction, "b_", names)]
    ends = [
        p.output.value if p.output.value in names else prefix + p.output.value
        for prefix, p in (("a_", base), ("b_", correction))
    ]
    return Program(
        f"{base.kind}_residual",
        base.inputs,
        (*parts[0][0], *parts[1][0], Node("add", "corrected", tuple(ends))),
        parts[0][1] | parts[1][1],
        Output(base.output.name, base.output.unit, "corrected"),
        steps.pop() if steps else None,
    )


def _renamed(
    program: Program, prefix: str, kept: set[str]
) -> tuple[list[Node], dict[str, NDArray[np.float32]]]:
    nodes = [
        Node(
            node.op,
            prefix + node.out,
            tuple(name if name in kept else prefix + name for name in node.args),
            tuple(prefix + name for name in node.arrays),
            node.numbers,
        )
        for node in program.nodes
    ]
    return nodes, {prefix + name: values for name, values in program.arrays.items()}


class _Draft:
    """A program being built: nodes in their order, arrays by name."""

    def __init__(self, kind: str, inputs: Sequence[Input]) -> None:
        self.kind, self.inputs = kind, tuple(inputs)
        self.nodes: list[Node] = []
        self.arrays: dict[str, Array] = {}
        self.last = ""

    def node(
        self,
        op: str,
        out: str,
        args: Sequence[str],
        arrays: dict[str, Array] | None = None,
        numbers: dict[str, float] | None = None,
    ) -> None:
        self.nodes.append(Node(op, out, tuple(args), tuple(arrays or {}), dict(numbers or {})))
        self.arrays |= arrays or {}
        self.last = out

    def tables(
        self, soc: ArrayLike, degc: ArrayLike, values: Sequence[ArrayLike], name: str
    ) -> None:
        """``name_0``, ``name_1``, ...: tables (S, T) or (S, T, k) over SoC and temperature."""
        knots = {"soc_knots": _floats(soc, "soc"), "degc_knots": _floats(degc, "temperature_degc")}
        for k, table in enumerate(values):
            found = _floats(table, name)
            found = found[:, :, None] if found.ndim == 2 else found
            arrays = knots | {f"{name}_{k}_values": found}
            self.node("table2d", f"{name}_{k}", ["soc", "temperature_degc"], arrays)

    def layers(
        self, x: str, layers: Sequence[Layer], activation: str, scaling: Scaling | None
    ) -> None:
        """Dense layers from ``x``, the activation between them."""
        if activation not in ("relu", "tanh"):
            raise InputError("activation", activation, "is unknown", "give relu or tanh")
        self.last = x
        for k, layer in enumerate(layers):
            weight, bias = _folded(layer.weight, layer.bias, scaling if k == 0 else None)
            arrays = {f"layer{k}_weights": weight, f"layer{k}_bias": bias}
            self.node("dense", f"layer{k}", [self.last], arrays)
            if k < len(layers) - 1:
                self.node(activation, f"bent{k}", [self.last])

    def program(
        self, value: str, output: tuple[str, str] = VOLTAGE, step_s: float | None = None
    ) -> Program:
        arrays = {name: values.astype(np.float32) for name, values in self.arrays.items()}
        nodes = tuple(self.nodes)
        return Program(self.kind, self.inputs, nodes, arrays, Output(*output, value), step_s)


def _floats(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, str(error), "is no array of numbers", "give an array") from error


def _folded(weight: ArrayLike, bias: ArrayLike, scaling: Scaling | None) -> tuple[Array, Array]:
    """W (x s + o) + b = (W s) x + (b + W o)."""
    w, b = _floats(weight, "weight"), _floats(bias, "bias")
    if scaling is None:
        return w, b
    scale, offset = (_floats(part, "scaling") for part in scaling)
    if w.ndim != 2 or scale.shape != (w.shape[1],) or offset.shape != scale.shape:
        raise InputError(
            "scaling", (scale.shape, offset.shape), f"does not fit weights {w.shape}", "give (in,)"
        )
    return w * scale, b + w @ offset
