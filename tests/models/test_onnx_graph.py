"""The ONNX graph answers like the interpreter, for any batch, length and step time."""

import numpy as np
import pytest

from evitals.errors import RefusedBundle
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.ops import OPS
from evitals.estimators.program.program import Program
from evitals.models import onnx_graph
from evitals.models.onnx_graph import DT, NEXT, OUT, STATE, Session

from .bundles import INPUTS, programs

onnx = pytest.importorskip("onnx", reason="pip install 'evitals[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'evitals[onnx]'")

KINDS = sorted(programs())
VALUE = OUT + "voltage_v"


def columns(program: Program, batch: int, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random samples beyond the ranges too (tables are constant there); exact in float32."""
    draw = np.random.default_rng(seed)
    found = {}
    for signal in INPUTS:
        margin = 0.1 * (signal.high - signal.low)
        values = draw.uniform(signal.low - margin, signal.high + margin, (batch, rows))
        found[signal.name] = values.astype(np.float32)
    steps = draw.uniform(0.1, 100.0, (batch, rows))
    found[DT] = (np.ones_like(steps) if program.step_s else steps).astype(np.float32)
    return found


def reference(
    program: Program, samples: dict[str, np.ndarray], row: int
) -> tuple[list[float], list[float]]:
    engine = Interpreter(program)
    names = [DT, *(signal.name for signal in INPUTS)]
    rows = zip(*(samples[name][row].astype(float).tolist() for name in names), strict=True)
    return [engine.step(*values) for values in rows], engine.state()["values"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "rows"), [(1, 1), (3, 50), (2, 600)])
def test_it_answers_like_the_interpreter(kind: str, batch: int, rows: int) -> None:
    program = programs()[kind]
    samples = columns(program, batch, rows)
    found = Session(onnx_graph.to_onnx(program)).run(samples)
    assert found[VALUE].shape == (batch, rows)
    for row in range(batch):
        answers, state = reference(program, samples, row)
        np.testing.assert_allclose(found[VALUE][row], answers, atol=1e-5)
        parts = [found[STATE + name + NEXT][row] for name in program.states]
        np.testing.assert_allclose(np.concatenate([*parts, []]), state, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_stretches_with_the_state_handed_over_are_one_run(kind: str) -> None:
    program = programs()[kind]
    session, samples = Session(onnx_graph.to_onnx(program)), columns(program, 2, 60)
    whole = session.run(samples)
    first = session.run({name: values[:, :25] for name, values in samples.items()})
    handed = {STATE + name: first[STATE + name + NEXT] for name in program.states}
    second = session.run({name: values[:, 25:] for name, values in samples.items()} | handed)
    joined = np.concatenate([first[VALUE], second[VALUE]], axis=1)
    np.testing.assert_allclose(joined, whole[VALUE], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_programs_give_equal_bytes_with_dynamic_batch_and_time(kind: str) -> None:
    program = programs()[kind]
    graph = onnx_graph.to_onnx(program)
    assert graph == onnx_graph.to_onnx(Program.from_files(program.to_files()))
    onnx_graph.plain(graph)
    session = Session(graph)
    assert session.inputs["soc"] == session.inputs[DT] == ["batch", "time"]
    for name, width in program.states.items():
        assert session.inputs[STATE + name] == ["batch", width]
    assert session.outputs == [VALUE, *(STATE + name + NEXT for name in program.states)]


def test_every_operation_is_written_and_tried() -> None:
    assert onnx_graph._WRITERS.keys() == OPS.keys()
    used = {node.op for program in programs().values() for node in program.nodes}
    assert used == OPS.keys()


def test_a_slow_filter_keeps_its_precision_at_short_steps() -> None:
    """1 - exp(-z) in float32 would lose four digits at dt = 0.1 s, tau = 1500 s."""
    program = programs()["circuit"]
    samples = columns(program, 1, 2000)
    samples[DT][:] = 0.1
    samples["current_a"][:] = -5.0
    found = Session(onnx_graph.to_onnx(program)).run(samples)
    answers, _ = reference(program, samples, 0)
    np.testing.assert_allclose(found[VALUE][0], answers, atol=1e-5)


def test_graphs_that_are_refused() -> None:
    model = onnx.load_model_from_string(onnx_graph.to_onnx(programs()["fnn"]))
    outside = onnx.ModelProto.FromString(model.SerializeToString())
    tensor = outside.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    own = onnx.ModelProto.FromString(model.SerializeToString())
    own.opset_import.add(domain="somebody", version=1)
    for graph in (b"", b"noise", outside.SerializeToString(), own.SerializeToString()):
        with pytest.raises(RefusedBundle) as refused:
            onnx_graph.plain(graph)
        assert refused.value.reason == "bad_graph"
    with pytest.raises(RefusedBundle, match="ONNX Runtime"):
        Session(b"noise")
    with pytest.raises(RefusedBundle, match="does not run"):
        Session(onnx_graph.to_onnx(programs()["lstm"])).run(
            {**columns(programs()["lstm"], 1, 3), STATE + "cell0": np.zeros((2, 16))}
        )
