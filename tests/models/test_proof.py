"""Every engine that is here proves a bundle; one that is not is named."""

import pytest

from evitals.errors import RefusedBundle
from evitals.models import bundle, onnx_graph, proof
from evitals.models.bundle import Bundle

from .bundles import CARD, about, made, programs, replaced

pytest.importorskip("onnx", reason="pip install 'evitals[onnx]'")
pytest.importorskip("onnxruntime", reason="pip install 'evitals[onnx]'")


def packed(kind: str) -> Bundle:
    program = programs()[kind]
    return bundle.load(bundle.pack(program, about(program), CARD))


@pytest.mark.parametrize("kind", sorted(programs()))
def test_every_engine_gives_the_golden_answers(kind: str) -> None:
    found = packed(kind)
    checks = {check.engine: check for check in proof.prove(found)}
    assert list(checks) == ["numpy", "compiled", "onnx"]
    assert checks["numpy"].error == 0.0
    onnx = checks["onnx"].error
    assert onnx is not None
    assert onnx < found.golden.tolerance / 5.0
    compiled = checks["compiled"]
    assert compiled.note
    assert compiled.error is None or compiled.error < found.golden.tolerance


def test_a_graph_of_another_model_is_refused() -> None:
    other = onnx_graph.to_onnx(programs(1)["circuit"])
    data = replaced(packed("circuit").data, {"graph.onnx": other})
    with pytest.raises(RefusedBundle, match="row") as refused:
        proof.prove(bundle.load(data))
    assert refused.value.reason == "golden_mismatch"


def test_a_graph_with_other_signals_is_refused() -> None:
    data = replaced(packed("circuit").data, {"graph.onnx": packed("lstm").graph})
    with pytest.raises(RefusedBundle, match="other inputs or outputs"):
        proof.check_graph(bundle.load(data))


def test_no_graph() -> None:
    with pytest.raises(RefusedBundle, match="is no ONNX graph"):
        proof.check_graph(bundle.load(made("circuit")))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    checks = proof.prove(bundle.load(made("circuit")))
    assert checks[-1] == proof.Check(
        "onnx", None, "onnx is not installed; pip install 'evitals[onnx]'"
    )
