"""Made-up programs of any operations: columns, steps and C answer alike."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.program import Node, Output, Program, machine
from evitals.estimators.program.builders import INPUTS
from evitals.estimators.program.ops import OPS

from .made_up import columns, irregular, stepped

REAL = sorted(OPS)


class Draft:
    """Random nodes that fit together. Every operation appears at least once in fifteen."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.widths = {signal.name: 1 for signal in INPUTS}
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.step_s = 1.0 if seed % 2 else None

    def program(self) -> Program:
        ops = [op for op in REAL if self.step_s or not OPS[op].fixed_step]
        for op in self.rng.permutation(ops).tolist():
            self.node(op)
        # All values decide the answer, each within reach of the others.
        for name in list(self.widths):
            self.add("asinh", [name], 0, numbers={"scale": 1.0})
        self.add("pack", [node.out for node in self.nodes if node.op == "asinh"], 0)
        width = sum(self.widths[name] for name in self.nodes[-1].args)
        self.widths[self.nodes[-1].out] = width
        self.add("dense", [self.nodes[-1].out], 1, [self.draw(1, width), self.draw(1)])
        output = Output("voltage_v", "V", self.nodes[-1].out)
        return Program("any", INPUTS, tuple(self.nodes), self.arrays, output, self.step_s)

    def draw(self, *shape: int) -> np.ndarray:
        return self.rng.normal(0.0, max(shape[-1], 4) ** -0.5, shape)

    def knots(self, count: int) -> np.ndarray:
        return np.cumsum(self.rng.uniform(0.5, 3.0, count)) - 3.0

    def value(self, width: int | None = None) -> str:
        names = [n for n, w in self.widths.items() if width is None or w == width]
        return str(self.rng.choice(names))

    def add(
        self,
        op: str,
        args: list[str],
        width: int,
        arrays: list[np.ndarray] | None = None,
        numbers: dict[str, float] | None = None,
    ) -> None:
        out = f"v{len(self.nodes)}"
        names = [f"{out}_{k}" for k in range(len(arrays or []))]
        self.arrays |= dict(zip(names, arrays or [], strict=True))
        self.nodes.append(Node(op, out, tuple(args), tuple(names), numbers or {}))
        self.widths[out] = width or self.widths[args[0]]

    def node(self, op: str) -> None:
        x, h = self.value(), int(self.rng.integers(2, 9))
        wide = self.widths[x]
        if op == "pack":
            args = [self.value() for _ in range(3)]
            self.add(op, args, sum(self.widths[a] for a in args))
        elif op in ("add", "product"):
            self.add(op, [self.value(1), x, self.value(1)], wide)
        elif op == "sum":
            self.add(op, [x], 1)
        elif op == "affine":
            self.add(op, [x], wide, [self.draw(wide), self.draw(wide)])
        elif op == "ema":
            tau = self.rng.uniform(0.5, 500.0, h if wide == 1 else wide)
            self.add(op, [x], len(tau), [tau])
        elif op == "hysteresis":
            self.add(op, [self.value(1)], 1, numbers={"rate": 0.01})
        elif op == "dense":
            self.add(op, [x], h, [self.draw(h, wide), self.draw(h)])
        elif op == "lstm":
            self.add(op, [x], h, [self.draw(4 * h, wide), self.draw(4 * h, h), self.draw(4 * h)])
        elif op == "gru":
            biases = [self.draw(3 * h), self.draw(3 * h)]
            self.add(op, [x], h, [self.draw(3 * h, wide), self.draw(3 * h, h), *biases])
        elif op == "table1d":
            self.add(op, [self.value(1)], h, [self.knots(7), self.draw(7, h)])
        elif op == "table2d":
            arrays = [self.knots(5), self.knots(2), self.draw(5, 2, h)]
            self.add(op, [self.value(1), self.value(1)], h, arrays)
        else:
            self.add(op, [x], wide, numbers={"scale": 0.7} if op == "asinh" else None)


@pytest.mark.parametrize("seed", range(60))
def test_columns_equal_steps(seed: int) -> None:
    program = Draft(seed).program()
    assert Program.from_files(program.to_files()).digest() == program.digest()
    made = columns(120, seed) if program.step_s else irregular(120, seed)
    made["soc"][40:43] = np.nan
    one, two = machine(program, "numpy"), machine(program, "numpy")
    answers = one.run(made)
    assert np.isfinite(answers).sum() == 117
    assert np.nanstd(answers) > 1e-3
    np.testing.assert_allclose(stepped(two, made), answers, rtol=0, atol=1e-9)
    np.testing.assert_allclose(one.state()["values"], two.state()["values"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(100, 108))
def test_c_equals_the_reference(seed: int, tmp_path: Path) -> None:
    pytest.importorskip("cffi", reason="needs cffi: pip install cffi")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: apt-get install gcc")
    program = Draft(seed).program()
    ops = {node.op for node in program.nodes}
    assert ops == {op for op in REAL if program.step_s or not OPS[op].fixed_step}
    made = columns(200, seed) if program.step_s else irregular(200, seed)
    made["current_a"][40:43] = np.nan
    fast, plain = machine(program, "compiled", tmp_path), machine(program, "numpy")
    expected = plain.run(made)
    np.testing.assert_allclose(fast.run(made), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        fast.state()["values"], plain.state()["values"], rtol=1e-3, atol=1e-3
    )


def test_a_draft_that_does_not_fit_is_refused() -> None:
    made = Draft(1).program()
    for name in made.arrays:
        arrays = made.arrays | {name: np.ones((2, 3, 5), np.float32)}
        with pytest.raises(InputError) as caught:
            Program(made.kind, made.inputs, made.nodes, arrays, made.output, made.step_s)
        assert caught.value.reason == "invalid_program"
