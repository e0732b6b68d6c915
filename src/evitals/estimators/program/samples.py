"""The arithmetic of one sample: each operation on float64 buffers that were made once."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Work = Callable[[float], object]
"""Brings a node's value up to date after ``dt_s``."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node with what it works on: ``args`` are (width,) here, (n, width) in ``columns``."""

    args: list[Array]
    arrays: list[Array]
    numbers: dict[str, float]
    width: int


@dataclass(frozen=True, slots=True)
class Made:
    """A node ready to be stepped: where its value appears, its work (None: nothing to do), and
    its states by the suffix of their names."""

    out: Array
    work: Work | None
    states: dict[str, Array] = field(default_factory=dict)


def _pack(p: Place) -> Made:
    whole = p.args[0].base
    if isinstance(whole, np.ndarray) and whole.size == p.width == len(p.args):
        places = [a.__array_interface__["data"][0] for a in p.args]
        start = whole.__array_interface__["data"][0]
        if places == [start + 8 * k for k in range(p.width)]:
            return Made(whole, None)  # All inputs in their order: nothing to copy.
    out = np.zeros(p.width)
    return Made(out, lambda _: np.concatenate(p.args, out=out))


def _affine(p: Place) -> Made:
    (x,), (scale, offset), out = p.args, p.arrays, np.zeros(p.width)

    def work(_: float) -> None:
        np.multiply(x, scale, out=out)
        np.add(out, offset, out=out)

    return Made(out, work)


def _asinh(p: Place) -> Made:
    (x,), scale, out = p.args, p.numbers["scale"], np.zeros(p.width)

    def work(_: float) -> None:
        np.divide(x, scale, out=out)
        np.arcsinh(out, out=out)

    return Made(out, work)


def _relu(p: Place) -> Made:
    (x,), out = p.args, np.zeros(p.width)
    return Made(out, lambda _: np.maximum(x, 0.0, out=out))


def _tanh(p: Place) -> Made:
    (x,), out = p.args, np.zeros(p.width)
    return Made(out, lambda _: np.tanh(x, out=out))


def _joined(ufunc: np.ufunc) -> Callable[[Place], Made]:
    def make(p: Place) -> Made:
        first, *rest = p.args
        out = np.zeros(p.width)

        def work(_: float) -> None:
            out[:] = first
            for x in rest:
                ufunc(out, x, out=out)

        return Made(out, work)

    return make


def _sum(p: Place) -> Made:
    (x,), out = p.args, np.zeros(1)
    return Made(out, lambda _: np.add.reduce(x, out=out, keepdims=True))


def _ema(p: Place) -> Made:
    (x,), (tau,), y = p.args, p.arrays, np.zeros(p.width)
    gain, change, last = np.zeros(p.width), np.zeros(p.width), -1.0

    def work(dt_s: float) -> None:
        nonlocal last
        if dt_s != last:
            np.negative(np.expm1(-dt_s / tau, out=gain), out=gain)
            last = dt_s
        np.subtract(x, y, out=change)
        np.multiply(change, gain, out=change)
        np.add(y, change, out=y)

    return Made(y, work, {"": y})


def _hysteresis(p: Place) -> Made:
    (x,), rate, h = p.args, p.numbers["rate"], np.zeros(1)

    def work(dt_s: float) -> None:
        h[:] -= np.expm1(-rate * dt_s * np.abs(x)) * (np.sign(x) - h)

    return Made(h, work, {"": h})


def _dense(p: Place) -> Made:
    (x,), (weights, bias), out = p.args, p.arrays, np.zeros(p.width)

    def work(_: float) -> None:
        np.dot(weights, x, out=out)
        np.add(out, bias, out=out)

    return Made(out, work)


def _lstm(p: Place) -> Made:
    (x,), (from_input, from_state, bias), h = p.args, p.arrays, p.width
    # One product of [x, h, 1]; gates ordered i, f, o, g so that the sigmoids lie together, and
    # s(z) = (1 + tanh(z / 2)) / 2 so that one tanh does all.
    order = np.r_[0 : 2 * h, 3 * h : 4 * h, 2 * h : 3 * h]
    weights = np.column_stack([from_input, from_state, bias])[order]
    weights[: 3 * h] *= 0.5
    weights = np.ascontiguousarray(weights)
    whole, gates = np.zeros(x.size + h + 1), np.zeros(4 * h)
    whole[-1] = 1.0
    seen, hidden = whole[: x.size], whole[x.size : -1]
    sigmoids, i, f, o, g = gates[: 3 * h], *(gates[k * h : (k + 1) * h] for k in range(4))
    cell = np.zeros(h)

    def work(_: float) -> None:
        seen[:] = x
        np.dot(weights, whole, out=gates)
        np.tanh(gates, out=gates)
        np.multiply(sigmoids, 0.5, out=sigmoids)
        np.add(sigmoids, 0.5, out=sigmoids)
        np.multiply(cell, f, out=cell)
        np.multiply(i, g, out=g)
        np.add(cell, g, out=cell)
        np.tanh(cell, out=g)
        np.multiply(o, g, out=hidden)

    return Made(hidden, work, {"": hidden, "cell": cell})


def _gru(p: Place) -> Made:
    (x,), (from_input, from_state, input_bias, state_bias), h = p.args, p.arrays, p.width
    hidden, own, fed, gates = np.zeros(h), np.zeros(3 * h), np.zeros(3 * h), np.zeros(2 * h)
    r, z, n = gates[:h], gates[h:], np.zeros(h)

    def work(_: float) -> None:
        np.dot(from_input, x, out=fed)
        np.add(fed, input_bias, out=fed)
        np.dot(from_state, hidden, out=own)
        np.add(own, state_bias, out=own)
        np.add(fed[: 2 * h], own[: 2 * h], out=gates)
        np.multiply(gates, 0.5, out=gates)
        np.tanh(gates, out=gates)
        np.multiply(gates, 0.5, out=gates)
        np.add(gates, 0.5, out=gates)
        np.multiply(r, own[2 * h :], out=n)
        np.add(n, fed[2 * h :], out=n)
        np.tanh(n, out=n)
        np.subtract(hidden, n, out=hidden)
        np.multiply(hidden, z, out=hidden)
        np.add(hidden, n, out=hidden)

    return Made(hidden, work, {"": hidden})


def _locate(knots: list[float], x: float) -> tuple[int, float]:
    """The piece that holds ``x`` and how far along it, 0 to 1; held at the ends."""
    k = min(max(bisect_right(knots, x) - 1, 0), len(knots) - 2)
    return k, min(max((x - knots[k]) / (knots[k + 1] - knots[k]), 0.0), 1.0)


def _table1d(p: Place) -> Made:
    (x,), (at, values), out = p.args, p.arrays, np.zeros(p.width)
    knots = at.tolist()

    def work(_: float) -> None:
        k, part = _locate(knots, float(x[0]))
        np.dot((1.0 - part, part), values[k : k + 2], out=out)

    return Made(out, work)


def _table2d(p: Place) -> Made:
    (x, y), (x_at, y_at, values), out = p.args, p.arrays, np.zeros(p.width)
    x_knots, y_knots = x_at.tolist(), y_at.tolist()

    def work(_: float) -> None:
        i, a = _locate(x_knots, float(x[0]))
        j, b = _locate(y_knots, float(y[0]))
        weights = ((1.0 - a) * (1.0 - b), (1.0 - a) * b, a * (1.0 - b), a * b)
        np.dot(weights, values[i : i + 2, j : j + 2].reshape(4, -1), out=out)

    return Made(out, work)


STEPS: dict[str, Callable[[Place], Made]] = {
    "pack": _pack,
    "affine": _affine,
    "asinh": _asinh,
    "relu": _relu,
    "tanh": _tanh,
    "product": _joined(np.multiply),
    "add": _joined(np.add),
    "sum": _sum,
    "ema": _ema,
    "hysteresis": _hysteresis,
    "dense": _dense,
    "lstm": _lstm,
    "gru": _gru,
    "table1d": _table1d,
    "table2d": _table2d,
}
"""By the operation's name."""
