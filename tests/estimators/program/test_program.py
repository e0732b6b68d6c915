"""A program is checked before it computes anything, and survives its files bit by bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.program import Input, Node, Output, Program, machine
from evitals.estimators.program.ops import OPS

from .made_up import KINDS, columns, lstm

X = Input("x", "1", 0.0, 1.0)
Y = Output("y", "V", "y")
RELU = Node("relu", "y", ("x",))
DENSE = Node("dense", "y", ("x",), ("w", "b"))
ONES = {"w": np.ones((1, 1)), "b": np.ones(1)}


def program(*nodes: Node, **changes: Any) -> Program:
    parts: dict[str, Any] = {
        "kind": "made_up", "inputs": (X,), "nodes": nodes or (RELU,), "arrays": {}, "output": Y,
    }  # fmt: skip
    return Program(**(parts | changes))


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_all_of_it(kind: str) -> None:
    made = KINDS[kind]()
    files = made.to_files()
    again = Program.from_files(files | {"card.md": b"beside it"})
    assert again.digest() == made.digest()
    assert again.to_files() == files
    assert again.states == made.states
    assert KINDS[kind]().to_files() == files


def test_the_digest_sees_every_number() -> None:
    made = lstm()
    digests = {made.digest()}
    for name, values in made.arrays.items():
        changed = values.copy()
        changed.flat[-1] = np.nextafter(changed.flat[-1], np.float32(9.0))
        arrays = made.arrays | {name: changed}
        parts = (made.kind, made.inputs, made.nodes, arrays, made.output)
        digests.add(Program(*parts, made.step_s).digest())
    digests.add(Program(made.kind, made.inputs, made.nodes, made.arrays, made.output, 2.0).digest())
    assert len(digests) == len(made.arrays) + 2


def test_whole_numbers_digest_as_floats() -> None:
    one = program(Node("asinh", "y", ("x",), (), {"scale": 1}), inputs=(Input("x", "1", 0, 1),))
    two = Program.from_files(one.to_files())
    assert one.digest() == two.digest()


def test_its_arrays_are_its_own() -> None:
    mine = {"w": np.ones((1, 1), np.float32), "b": np.ones(1, np.float32)}
    made = program(DENSE, arrays=mine)
    before = made.digest()
    mine["w"][0, 0] = 7.0
    assert made.digest() == before
    with pytest.raises(ValueError, match="read-only"):
        made.arrays["w"][0, 0] = 7.0


BROKEN: dict[str, tuple[Callable[[], Program], str]] = {
    "unknown op": (lambda: program(Node("rely", "y", ("x",))), "did you mean relu"),
    "cycle": (
        lambda: program(Node("add", "a", ("x", "y")), Node("relu", "y", ("a",))),
        "computed later: a cycle",
    ),
    "itself": (lambda: program(Node("relu", "y", ("y",))), "computed later: a cycle"),
    "no such value": (lambda: program(Node("relu", "y", ("z",))), "no value of this program"),
    "twice": (lambda: program(RELU, RELU), "named twice"),
    "missing array": (lambda: program(DENSE, arrays={"w": ONES["w"]}), "no array of this"),
    "spare array": (lambda: program(arrays={"w": ONES["w"]}), "used by no node"),
    "nan": (lambda: program(DENSE, arrays=ONES | {"b": [np.nan]}), "NaN, infinite"),
    "infinite": (lambda: program(DENSE, arrays=ONES | {"b": [np.inf]}), "NaN, infinite"),
    "beyond float32": (lambda: program(DENSE, arrays=ONES | {"b": [1e30]}), "NaN, infinite"),
    "shape": (lambda: program(DENSE, arrays=ONES | {"w": np.ones((1, 2))}), "needs weights"),
    "bias": (lambda: program(DENSE, arrays=ONES | {"b": np.ones(2)}), "needs bias"),
    "empty array": (lambda: program(DENSE, arrays=ONES | {"w": np.ones((0, 1))}), "shape"),
    "text": (lambda: program(DENSE, arrays=ONES | {"w": "?"}), "no array of numbers"),
    "huge side": (lambda: program(DENSE, arrays=ONES | {"w": np.ones((5000, 1))}), "4096 a side"),
    "huge": (
        lambda: program(DENSE, arrays=ONES | {"w": np.broadcast_to(1.0, (4096, 4096))}),
        "more than 4000000",
    ),
    "wide": (
        lambda: program(
            Node("ema", "a", ("x",), ("tau",)), Node("pack", "b", ("a", "a")),
            Node("sum", "y", ("b",)), arrays={"tau": np.ones(4000)},
        ),
        "wider than 4096",
    ),
    "number": (lambda: program(Node("asinh", "y", ("x",))), "not its numbers"),
    "zero scale": (
        lambda: program(Node("asinh", "y", ("x",), (), {"scale": 0.0})), "above zero",
    ),
    "nan scale": (
        lambda: program(Node("asinh", "y", ("x",), (), {"scale": np.nan})), "not finite",
    ),
    "falling knots": (
        lambda: program(
            Node("table1d", "y", ("x",), ("k", "v")), arrays={"k": [1.0, 0.0], "v": [[1.0], [2.0]]}
        ),
        "does not rise",
    ),
    "one knot": (
        lambda: program(Node("table1d", "y", ("x",), ("k", "v")), arrays={"k": [1], "v": [[1]]}),
        "at least 2 knots",
    ),
    "time constant": (
        lambda: program(Node("ema", "y", ("x",), ("tau",)), arrays={"tau": [0.0]}), "above zero",
    ),
    "output": (lambda: program(output=Output("v", "V", "z")), "width 1"),
    "no nodes": (lambda: program(nodes=()), "number of nodes"),
    "many nodes": (
        lambda: program(*(Node("relu", f"n{k}", ("x",)) for k in range(501))), "from 1 to 500",
    ),
    "no step time": (lambda: _restepped(None), "step time of its training"),
    "step time": (lambda: _restepped(np.nan), "no step time"),
    "name": (lambda: program(Node("relu", "Y;", ("x",))), "snake case"),
    "range": (lambda: program(inputs=(Input("x", "1", 1.0, np.nan),)), "no range"),
    "type": (lambda: program(inputs=3), "wrong type"),
    "argument": (lambda: program(Node("relu", "y", ("x", "x"))), "not 1 arguments"),
}  # fmt: skip


def _restepped(step_s: float | None) -> Program:
    made = lstm()
    return Program("lstm", made.inputs, made.nodes, made.arrays, made.output, step_s)


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_computed_is_refused(case: str) -> None:
    make, message = BROKEN[case]
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert caught.value.reason == "invalid_program"


def test_good_ones_beside_the_broken() -> None:
    assert program().widths == {"x": 1, "y": 1}
    assert program(DENSE, arrays=ONES).parameters == 2


def edited(files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    manifest = json.loads(files["program.json"])
    return files | {"program.json": json.dumps(manifest | changes).encode()}


def test_broken_files_are_refused() -> None:
    good = lstm().to_files()
    npy = "arrays/layer0_bias.npy"
    pickled = b"\x80\x04\x95" + bytes(80)
    header = good[npy].replace(b"'<f4'", b"'|O' ")
    shape = good[npy].replace(b"(8,)", b"(9,)")
    cases: list[tuple[dict[str, bytes], str]] = [
        ({}, "is missing"),
        ({k: v for k, v in good.items() if k != npy}, "is missing"),
        (good | {npy: pickled}, "no .npy file"),
        (good | {npy: b""}, "no .npy file"),
        (good | {npy: header}, "is not|no .npy"),
        (good | {npy: shape}, "is not"),
        (good | {npy: good[npy][:-1]}, "no .npy file"),
        (good | {npy: good[npy][:-4]}, "is not"),
        (good | {npy: good[npy] + bytes(10_000)}, "do not hold"),
        (good | {"program.json": b"[1]"}, "no JSON object"),
        (good | {"program.json": b"[" * 100_000}, "no JSON object"),
        (good | {"program.json": b"\xff"}, "no JSON object"),
        (good | {"program.json": b" " * 2_000_000}, "bytes are more"),
        (edited(good, format="other"), "no program's format"),
        (edited(good, version=2), "update evitals"),
        (edited(good, more=1), "unknown field"),
        (edited(good, arrays={}), "no array of this program"),
        (edited(good, arrays={"layer0_bias": [-8]}), "do not hold"),
        (edited(good, arrays={"layer0_bias": [2**62, 2**62]}), "is not"),
        (edited(good, step_s="soon"), "does not hold a program"),
    ]
    for files, message in cases:
        with pytest.raises(InputError, match=message):
            Program.from_files(files)


def test_truncated_files_never_answer() -> None:
    good = lstm().to_files()
    rng = np.random.default_rng(0)
    for name, content in good.items():
        for cut in rng.integers(0, len(content), 8).tolist():
            with pytest.raises(InputError):
                Program.from_files(good | {name: content[:cut]})


def test_the_column_that_is_missing_is_named() -> None:
    made = columns(5)
    del made["soc"]
    with pytest.raises(InputError, match="send the column soc"):
        machine(lstm(), "numpy").run(made)


def test_every_operation_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "program.md").read_text(encoding="utf-8")
    for op in OPS.values():
        assert f"| `{op.name}` | {op.equation.replace('|', '&#124;')} |" in page
        assert all(f"`[{name}]`" in page for name in op.arrays)


def test_the_documented_example_runs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "program.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code.replace("machine(program)", 'machine(program, "numpy")'), names)
    assert names["estimator"].step(1.0, 0.5, -2.0, 25.0) == pytest.approx(3.56)
