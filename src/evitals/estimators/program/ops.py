"""What a node may do: each operation once, with the shapes it takes and gives.

A value is a vector of fixed width. ``Op.shape`` checks a node and tells how wide its value is and
which state it keeps; the interpreter and the C text hold the arithmetic under the same names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Shape = tuple[int, ...]
State = dict[str, int]
"""Width of each state a node keeps, by the suffix of its name ("" is the node's own value)."""


class Misfit(ValueError):
    """What is wrong with a node, in words that follow its name."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: its equation, its parts, and the check of their shapes.

    ``shape(widths, arrays, numbers)`` gets the widths of the arguments, the shapes of the arrays
    and the numbers, and gives (width of the value, states). It raises Misfit.
    """

    name: str
    equation: str
    arguments: int | None
    """How many arguments; None: one or more."""
    shape: Callable[[Sequence[int], Sequence[Shape], Mapping[str, float]], tuple[int, State]]
    arrays: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    fixed_step: bool = False
    """Whether it is trained for one step time and knows no other."""
    rising: tuple[str, ...] = field(default=())
    """Arrays that must strictly rise."""
    positive: tuple[str, ...] = field(default=())
    """Arrays and numbers that must be above zero."""


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise Misfit(problem)


def _same(widths: Sequence[int], _: Sequence[Shape], __: Mapping[str, float]) -> tuple[int, State]:
    return widths[0], {}


def _pack(widths: Sequence[int], _: Sequence[Shape], __: Mapping[str, float]) -> tuple[int, State]:
    return sum(widths), {}


def _sum(_: Sequence[int], __: Sequence[Shape], ___: Mapping[str, float]) -> tuple[int, State]:
    return 1, {}


def _equal(widths: Sequence[int], _: Sequence[Shape], __: Mapping[str, float]) -> tuple[int, State]:
    width = max(widths)
    _expect(all(w in (1, width) for w in widths), f"joins widths {list(widths)}")
    return width, {}


def _affine(
    widths: Sequence[int], arrays: Sequence[Shape], _: Mapping[str, float]
) -> tuple[int, State]:
    for shape in arrays:
        _expect(shape == (widths[0],), f"scales width {widths[0]} by an array {shape}")
    return widths[0], {}


def _ema(
    widths: Sequence[int], arrays: Sequence[Shape], _: Mapping[str, float]
) -> tuple[int, State]:
    (tau,) = arrays
    _expect(len(tau) == 1, f"needs tau_s (n,), not {tau}")
    _expect(widths[0] in (1, tau[0]), f"filters width {widths[0]} with {tau[0]} time constants")
    return tau[0], {"": tau[0]}


def _hysteresis(
    widths: Sequence[int], _: Sequence[Shape], __: Mapping[str, float]
) -> tuple[int, State]:
    _expect(widths[0] == 1, f"takes a current of width 1, not {widths[0]}")
    return 1, {"": 1}


def _dense(
    widths: Sequence[int], arrays: Sequence[Shape], _: Mapping[str, float]
) -> tuple[int, State]:
    weights, bias = arrays
    _expect(
        len(weights) == 2 and weights[1] == widths[0],
        f"needs weights (out, {widths[0]}), not {weights}",
    )
    _expect(bias == (weights[0],), f"needs bias ({weights[0]},), not {bias}")
    return weights[0], {}


def _recurrent(gates: int, arrays: Sequence[Shape], width: int) -> int:
    inputs, hidden, *biases = arrays
    _expect(len(hidden) == 2, f"needs state weights ({gates} h, h), not {hidden}")
    h = hidden[1]
    _expect(hidden[0] == gates * h, f"needs state weights ({gates} h, h), not {hidden}")
    _expect(inputs == (gates * h, width), f"needs weights {(gates * h, width)}, not {inputs}")
    for bias in biases:
        _expect(bias == (gates * h,), f"needs biases ({gates * h},), not {bias}")
    return h


def _lstm(
    widths: Sequence[int], arrays: Sequence[Shape], _: Mapping[str, float]
) -> tuple[int, State]:
    h = _recurrent(4, arrays, widths[0])
    return h, {"": h, "cell": h}


def _gru(
    widths: Sequence[int], arrays: Sequence[Shape], _: Mapping[str, float]
) -> tuple[int, State]:
    h = _recurrent(3, arrays, widths[0])
    return h, {"": h}


def _table(
    widths: Sequence[int], arrays: Sequence[Shape], _: Mapping[str, float]
) -> tuple[int, State]:
    *knots, values = arrays
    _expect(all(w == 1 for w in widths), f"looks up widths {list(widths)}, not 1")
    for shape in knots:
        _expect(len(shape) == 1 and shape[0] >= 2, f"needs at least 2 knots (n,), not {shape}")
    grid = tuple(shape[0] for shape in knots)
    _expect(
        values[: len(grid)] == grid and len(values) == len(grid) + 1,
        f"needs values {(*grid, 'k')}, not {values}",
    )
    return values[-1], {}


_ALL = (
    Op("pack", "the arguments behind each other", None, _pack),
    Op("affine", "x scale + offset", 1, _affine, ("scale", "offset")),
    Op("asinh", "asinh(x / scale)", 1, _same, numbers=("scale",), positive=("scale",)),
    Op("relu", "max(x, 0)", 1, _same),
    Op("tanh", "tanh(x)", 1, _same),
    Op("product", "the arguments multiplied; width 1 meets any", None, _equal),
    Op("add", "the arguments added; width 1 meets any", None, _equal),
    Op("sum", "all elements of x added", 1, _sum),
    Op(
        "ema",
        "y += (1 - exp(-dt / tau)) (x - y), y = 0 at first; exact while x holds over dt",
        1, _ema, ("tau_s",), positive=("tau_s",),
    ),
    Op(
        "hysteresis",
        "h += (1 - exp(-rate |i| dt)) (sign(i) - h), h = 0 at first; rate per A s",
        1, _hysteresis, numbers=("rate",), positive=("rate",),
    ),
    Op("dense", "W x + b", 1, _dense, ("weights", "bias")),
    Op(
        "lstm",
        "i, f, g, o = U x + W h + b; c = s(f) c + s(i) tanh(g); h = s(o) tanh(c)",
        1, _lstm, ("input_weights", "state_weights", "bias"), fixed_step=True,
    ),
    Op(
        "gru",
        "r, z = s(U x + W h + b); n = tanh(Un x + bn + r (Wn h + dn)); h = (1 - z) n + z h",
        1, _gru, ("input_weights", "state_weights", "input_bias", "state_bias"), fixed_step=True,
    ),
    Op(
        "table1d", "linear between knots, constant beyond them", 1, _table,
        ("knots", "values"), rising=("knots",),
    ),
    Op(
        "table2d", "bilinear between knots, constant beyond them", 2, _table,
        ("x_knots", "y_knots", "values"), rising=("x_knots", "y_knots"),
    ),
)  # fmt: skip
OPS = {op.name: op for op in _ALL}
"""Every operation by name."""
