"""The arithmetic of whole columns: each operation on (n, width) float64, states to their end."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evitals.estimators.program.samples import STEPS, Place

Array = NDArray[np.float64]
Column = Callable[[Place, Array, dict[str, Array]], Array]
"""Gets a node's place, ``dt_s`` (n,) and its states (changed in place); gives (n, width)."""


def _pack(p: Place, _: Array, __: dict[str, Array]) -> Array:
    return np.concatenate(p.args, axis=1)


def _affine(p: Place, _: Array, __: dict[str, Array]) -> Array:
    scale, offset = p.arrays
    return p.args[0] * scale + offset


def _asinh(p: Place, _: Array, __: dict[str, Array]) -> Array:
    return np.asarray(np.arcsinh(p.args[0] / p.numbers["scale"]))


def _relu(p: Place, _: Array, __: dict[str, Array]) -> Array:
    return np.maximum(p.args[0], 0.0)


def _tanh(p: Place, _: Array, __: dict[str, Array]) -> Array:
    return np.asarray(np.tanh(p.args[0]))


def _product(p: Place, _: Array, __: dict[str, Array]) -> Array:
    out, *rest = p.args
    for x in rest:
        out = out * x
    return out


def _add(p: Place, _: Array, __: dict[str, Array]) -> Array:
    out, *rest = p.args
    for x in rest:
        out = out + x
    return out


def _sum(p: Place, _: Array, __: dict[str, Array]) -> Array:
    return np.asarray(p.args[0].sum(axis=1, keepdims=True))


def _ema(p: Place, dt_s: Array, states: dict[str, Array]) -> Array:
    (x,), (tau,), y = p.args, p.arrays, states[""]
    out = np.empty((len(dt_s), p.width))
    for k, t in enumerate(tau.tolist()):
        gain = -np.expm1(-dt_s / t)
        out[:, k] = _recurrence(y[k], 1.0 - gain, gain * x[:, min(k, x.shape[1] - 1)])
    y[:] = out[-1]
    return out


def _hysteresis(p: Place, dt_s: Array, states: dict[str, Array]) -> Array:
    current, h = p.args[0][:, 0], states[""]
    gain = -np.expm1(-p.numbers["rate"] * dt_s * np.abs(current))
    out = _recurrence(h[0], 1.0 - gain, gain * np.sign(current))
    h[:] = out[-1]
    return out[:, None]


def _recurrence(start: float, decay: Array, drive: Array) -> Array:
    """y[k] = decay[k] y[k-1] + drive[k] without a loop over k: pieces of 1, 2, 4, ... are joined
    (Hillis and Steele, Data parallel algorithms, CACM 29(12), 1986). ``decay`` and ``drive`` are
    used up."""
    drive[0] += decay[0] * start
    reach = 1
    # Once every decay is below 1e-30 nothing of what lies further back is left.
    while reach < len(drive) and decay[reach:].max() > 1e-30:
        drive[reach:] = drive[reach:] + decay[reach:] * drive[:-reach]
        decay[reach:] = decay[reach:] * decay[:-reach]
        reach *= 2
    return drive


def _dense(p: Place, _: Array, __: dict[str, Array]) -> Array:
    weights, bias = p.arrays
    return np.asarray(p.args[0] @ weights.T + bias)


def _stepped(op: str) -> Column:
    """A recurrent network: one sample after the other, as it is stepped."""

    def run(p: Place, dt_s: Array, states: dict[str, Array]) -> Array:
        (columns,) = p.args
        x = np.zeros(columns.shape[1])
        made = STEPS[op](Place([x], p.arrays, p.numbers, p.width))
        assert made.work is not None
        for part, values in made.states.items():
            values[:] = states[part]
        out = np.empty((len(columns), p.width))
        for k, dt in enumerate(dt_s.tolist()):
            x[:] = columns[k]
            made.work(dt)
            out[k] = made.out
        for part, values in made.states.items():
            states[part][:] = values
        return out

    return run


def _locate(knots: Array, x: Array) -> tuple[NDArray[np.intp], Array]:
    k = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    return k, np.clip((x - knots[k]) / (knots[k + 1] - knots[k]), 0.0, 1.0)


def _table1d(p: Place, _: Array, __: dict[str, Array]) -> Array:
    knots, values = p.arrays
    k, part = _locate(knots, p.args[0][:, 0])
    return np.asarray((1.0 - part)[:, None] * values[k] + part[:, None] * values[k + 1])


def _table2d(p: Place, _: Array, __: dict[str, Array]) -> Array:
    x_knots, y_knots, values = p.arrays
    i, a = _locate(x_knots, p.args[0][:, 0])
    j, b = _locate(y_knots, p.args[1][:, 0])
    a, b = a[:, None], b[:, None]
    low = (1.0 - b) * values[i, j] + b * values[i, j + 1]
    high = (1.0 - b) * values[i + 1, j] + b * values[i + 1, j + 1]
    return np.asarray((1.0 - a) * low + a * high)


RUNS: dict[str, Column] = {
    "pack": _pack,
    "affine": _affine,
    "asinh": _asinh,
    "relu": _relu,
    "tanh": _tanh,
    "product": _product,
    "add": _add,
    "sum": _sum,
    "ema": _ema,
    "hysteresis": _hysteresis,
    "dense": _dense,
    "lstm": _stepped("lstm"),
    "gru": _stepped("gru"),
    "table1d": _table1d,
    "table2d": _table2d,
}
"""By the operation's name."""
