"""The neural kinds as torch modules, and the front that feeds them.

The front (columns in physical units, a bent current, exponential means of it) has no weights, so
it is computed once a cycle. Every network becomes a Program: its scaling is folded into its first
and last weights, so a program takes physical units and answers in the target's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evitals.estimators.program.program import Input, Node, Output, Program
from evitals.models.config import Config, FilterBank, Fnn, Gru, Lstm
from evitals.models.cycles import Cycle
from evitals.models.scaling import Scaling, fit, fold, fold_output

Array = NDArray[np.float64]
State = tuple[Tensor, ...]
UNITS = {"soc": "1", "current_a": "A", "temperature_degc": "degC", "voltage_v": "V"}
BENT, SLOW = "bent_current", "slow_current"


@dataclass(frozen=True, slots=True)
class Front:
    """What a network sees: ``inputs``, asinh(current / ``bend_a``), means over ``tau_s``."""

    inputs: tuple[str, ...]
    bend_a: float
    tau_s: tuple[float, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what it gives, in order."""
        bent = (BENT,) if self.bend_a else ()
        return (*self.inputs, *bent, *(f"{SLOW}_{k}" for k in range(len(self.tau_s))))

    def run(self, cycle: Cycle) -> dict[str, Array]:
        """Its columns over a whole cycle, (n,) each, from rest."""
        out = {name: cycle.columns[name] for name in self.inputs}
        if self.bend_a:
            out[BENT] = np.arcsinh(cycle.columns["current_a"] / self.bend_a)
        if self.tau_s:
            slow = exponential_means(cycle.dt_s, cycle.columns["current_a"], self.tau_s)
            out |= {f"{SLOW}_{k}": slow[:, k] for k in range(len(self.tau_s))}
        return out

    def nodes(self) -> tuple[list[Node], dict[str, Array]]:
        """The same as a program's nodes (the last is ``seen``) and their arrays."""
        nodes: list[Node] = []
        arrays: dict[str, Array] = {}
        args = list(self.inputs)
        if self.bend_a:
            nodes.append(Node("asinh", BENT, ("current_a",), numbers={"scale": self.bend_a}))
            args.append(BENT)
        if self.tau_s:
            nodes.append(Node("ema", SLOW, ("current_a",), ("tau_s",)))
            arrays["tau_s"] = np.asarray(self.tau_s)
            args.append(SLOW)
        return [*nodes, Node("pack", "seen", tuple(args))], arrays


def exponential_means(dt_s: Array, values: Array, tau_s: Sequence[float]) -> Array:
    """``y += (1 - exp(-dt / tau)) (x - y)`` from 0, one column a time constant, (n, len(tau_s))."""
    gains = -np.expm1(-dt_s[:, None] / np.asarray(tau_s))
    out: Array = np.empty_like(gains)
    mean = np.zeros(len(tau_s))
    for k in range(len(values)):
        mean = mean + gains[k] * (values[k] - mean)
        out[k] = mean
    return out


class Network(nn.Module):  # type: ignore[misc]
    """What all kinds share: ``forward(x, state) -> (y, state)`` over scaled columns.

    ``x`` (batch, time, columns); ``y`` (batch, time) scaled target; ``state`` as of ``blank``.
    """

    remembers = False

    def blank(self, batch: int) -> State:
        """The state before the first sample; () where nothing is remembered."""
        raise NotImplementedError

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """See the class."""
        return cast("tuple[Tensor, State]", self(x, state))

    def nodes(self, scaling: Scaling, target: Scaling) -> tuple[list[Node], dict[str, Array]]:
        """Nodes from ``seen`` to ``answer`` in physical units, and their arrays."""
        raise NotImplementedError

    @property
    def parameters_count(self) -> int:
        """How many numbers are learnt."""
        return sum(p.numel() for p in self.parameters())


class FeedForward(Network):
    """Dense layers; no memory of its own."""

    def __init__(self, inputs: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        self.activation = activation
        sizes = [inputs, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def blank(self, batch: int) -> State:  # noqa: ARG002
        return ()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        bend = torch.tanh if self.activation == "tanh" else torch.relu
        *layers, last = self.layers
        for layer in layers:
            x = bend(layer(x))
        return last(x)[..., 0], state

    def nodes(self, scaling: Scaling, target: Scaling) -> tuple[list[Node], dict[str, Array]]:
        nodes: list[Node] = []
        arrays: dict[str, Array] = {}
        value = "seen"
        last = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            weights, bias = _numbers(layer.weight), _numbers(layer.bias)
            if k == 0:
                weights, bias = fold(weights, bias, scaling)
            if k == last:
                weights, bias = fold_output(weights, bias, target)
            arrays |= {f"weights_{k}": weights, f"bias_{k}": bias}
            out = "answer" if k == last else f"layer_{k}"
            nodes.append(Node("dense", out, (value,), (f"weights_{k}", f"bias_{k}")))
            if k < last:
                value = f"bent_{k}"
                nodes.append(Node(self.activation, value, (out,)))
        return nodes, arrays


class Recurrent(Network):
    """An LSTM or GRU and one dense layer; with ``skip`` the layer sees the inputs too."""

    remembers = True

    def __init__(self, cell: str, inputs: int, size: int, skip: bool) -> None:
        super().__init__()
        self.cell, self.skip = cell, skip
        self.core: nn.LSTM | nn.GRU = (
            nn.LSTM(inputs, size, batch_first=True)
            if cell == "lstm"
            else nn.GRU(inputs, size, batch_first=True)
        )
        self.head = nn.Linear(size + inputs * skip, 1)

    def blank(self, batch: int) -> State:
        zeros = torch.zeros(1, batch, self.core.hidden_size)
        return (zeros, zeros.clone()) if self.cell == "lstm" else (zeros,)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        hidden, after = self.core(x, state if self.cell == "lstm" else state[0])
        seen = torch.cat((hidden, x), dim=-1) if self.skip else hidden
        return self.head(seen)[..., 0], tuple(after) if self.cell == "lstm" else (after,)

    def nodes(self, scaling: Scaling, target: Scaling) -> tuple[list[Node], dict[str, Array]]:
        inputs, input_bias = fold(
            _numbers(self.core.weight_ih_l0), _numbers(self.core.bias_ih_l0), scaling
        )
        state_bias = _numbers(self.core.bias_hh_l0)
        arrays = {"input_weights": inputs, "state_weights": _numbers(self.core.weight_hh_l0)}
        if self.cell == "lstm":
            arrays["bias"] = input_bias + state_bias
        else:
            arrays |= {"input_bias": input_bias, "state_bias": state_bias}
        nodes = [Node(self.cell, "memory", ("seen",), tuple(arrays))]
        weights, bias = _numbers(self.head.weight), _numbers(self.head.bias)
        if self.skip:
            nodes.append(Node("pack", "remembered", ("memory", "seen")))
            size = self.core.hidden_size
            direct, bias = fold(weights[:, size:], bias, scaling)
            weights = np.hstack([weights[:, :size], direct])
        weights, bias = fold_output(weights, bias, target)
        arrays |= {"head_weights": weights, "head_bias": bias}
        value = "remembered" if self.skip else "memory"
        nodes.append(Node("dense", "answer", (value,), ("head_weights", "head_bias")))
        return nodes, arrays


def front_of(config: Config) -> Front:
    """The front of the configured model."""
    model = config.model
    return Front(config.inputs, model.bend_a, model.tau_s if isinstance(model, FilterBank) else ())


def build(config: Config) -> Network:
    """A fresh network of the configured kind; its weights come from torch's global generator."""
    inputs, model = len(front_of(config).columns), config.model
    if isinstance(model, Lstm | Gru):
        return Recurrent(config.kind, inputs, model.size, model.skip)
    assert isinstance(model, FilterBank | Fnn)
    return FeedForward(inputs, model.hidden, model.activation)


@dataclass(frozen=True, slots=True)
class Scalings:
    """Of the front's columns and of the target, fitted on training cycles, and inputs' ranges."""

    seen: Scaling
    target: Scaling
    ranges: dict[str, tuple[float, float]]


def fit_scalings(config: Config, cycles: Sequence[Cycle]) -> Scalings:
    """Raises InputError for a constant column."""
    front = front_of(config)
    seen = fit([front.run(cycle) for cycle in cycles], front.columns, config.recipe.scaling)
    target = fit([cycle.columns for cycle in cycles], (config.target,), "standard")
    ranges = {}
    for name in config.inputs:
        values = np.concatenate([cycle.columns[name] for cycle in cycles])
        ranges[name] = float(values.min()), float(values.max())
    return Scalings(seen, target, ranges)


def to_program(config: Config, network: Network, scalings: Scalings) -> Program:
    """The network as a Program: physical units in, the target's unit out."""
    first, arrays = front_of(config).nodes()
    nodes, own = network.nodes(scalings.seen, scalings.target)
    return Program(
        kind=config.kind,
        inputs=tuple(Input(n, _unit(n), *scalings.ranges[n]) for n in config.inputs),
        nodes=(*first, *nodes),
        arrays=cast("dict[str, Any]", {**arrays, **own}),
        output=Output(config.target, _unit(config.target), "answer"),
        step_s=config.step_s if network.remembers else None,
    )


def _numbers(values: Any) -> Array:
    numbers: Array = values.detach().numpy().astype(np.float64)
    return numbers


def _unit(name: str) -> str:
    return UNITS.get(name, "")
