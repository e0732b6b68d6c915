"""A bundle comes back as it was packed, and is refused for every way it can be wrong."""

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError, RefusedBundle
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.program import Input
from evitals.models import archive, bundle, manifest, signing
from evitals.models.golden import Golden
from evitals.models.signing import Trust

from .bundles import CARD, about, made, programs, replaced, rewritten, zipped

DATA = made()
FILES = archive.unpack(DATA)
KINDS = sorted(programs())


def reason(data: bytes, trust: Trust = signing.ANYONE) -> str:
    with pytest.raises(RefusedBundle) as refused:
        bundle.load(data, trust)
    assert refused.value.remedy
    return refused.value.reason


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_packed_comes_back(kind: str) -> None:
    program = programs()[kind]
    found = bundle.load(made(kind))
    assert found.program.digest() == program.digest()
    assert found.manifest.kind == kind
    assert found.card == CARD
    assert found.signer is None
    assert found.name == "made-up 1.0.0"
    assert {n: s.shape for n, s in found.manifest.state.items()} == {
        name: (width,) for name, width in program.states.items()
    }


def test_equal_input_gives_equal_bytes_and_other_input_another_digest() -> None:
    program = programs()["filter_fnn"]
    graph = b"not looked at without onnx"
    again = bundle.pack(program, about(program), CARD, graph=graph)
    assert again == DATA
    other = bundle.pack(program, about(program, cell="Another"), CARD, graph=graph)
    assert bundle.read(other).digest != bundle.read(DATA).digest


def test_no_code_and_no_pickle_inside() -> None:
    assert {name.rpartition(".")[2] for name in FILES} == {"json", "npy", "md", "onnx"}


@pytest.mark.parametrize("kind", ["filter_fnn", "lstm"])
@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_any_changed_bytes_are_refused(kind: str, data: st.DataObject) -> None:
    good = made(kind)
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        changed[at] ^= data.draw(st.integers(1, 255))
    if changed != good:
        reason(bytes(changed))


def test_every_twentieth_byte() -> None:
    for at in range(0, len(DATA), 20):
        changed = bytearray(DATA)
        changed[at] ^= 1
        assert reason(bytes(changed)) in ("tampered", "not_canonical", "truncated", "unsafe_name",
                                          "compressed", "duplicate", "not_a_bundle")  # fmt: skip


@given(size=st.integers(0, len(DATA) - 1))
@settings(max_examples=100, deadline=None)
def test_cut_short(size: int) -> None:
    assert reason(DATA[:size]) in ("truncated", "not_a_bundle")


def _array(change: Callable[[np.ndarray], np.ndarray], name: str = "layer0_weights") -> bytes:
    """The bundle with one array changed, all digests made to fit."""
    values = np.load(io.BytesIO(FILES[f"arrays/{name}.npy"]))
    out = io.BytesIO()
    np.save(out, change(values.copy()))
    return replaced(DATA, {f"arrays/{name}.npy": out.getvalue()})


def _nan(values: np.ndarray) -> np.ndarray:
    values.flat[3] = np.nan
    return values


def _pickle() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    return replaced(DATA, {"arrays/layer0_weights.npy": out.getvalue()})


@pytest.mark.parametrize(
    "data",
    [
        _array(_nan),
        _array(lambda v: v * np.float32(np.inf)),
        _array(lambda v: v.astype(np.float64)),
        _array(lambda v: v.astype(np.int32)),
        _array(lambda v: v.astype(">f4")),
        _array(lambda v: v[:-1]),
        _array(lambda v: np.asfortranarray(v)),
        _array(lambda v: v.reshape(-1)),
        _array(lambda v: -np.abs(v), "tau_s"),
        _pickle(),
        replaced(DATA, {"arrays/layer0_weights.npy": b"noise"}),
        replaced(DATA, {"arrays/layer0_weights.npy": None}),
        replaced(DATA, {"program.json": b"{}"}),
        replaced(DATA, {"program.json": FILES["program.json"].replace(b"ema", b"eval")}),
    ],
    ids=["nan", "inf", "float64", "int", "big-endian", "short", "fortran", "flat", "negative tau",
         "pickle", "noise", "absent", "empty program", "unknown op"],
)  # fmt: skip
def test_programs_that_are_none_though_every_digest_fits(data: bytes) -> None:
    assert reason(data) == "bad_program"


def test_another_program_than_the_vectors_are_of() -> None:
    assert reason(_array(lambda v: v * np.float32(1.01))) == "golden_mismatch"
    bundle.read(_array(lambda v: v * np.float32(1.01)))  # Whole, but wrong: only running shows it.


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"evil.py": b"print()"}, "foreign_file"),
        ({"parts/evil.pkl": b"x"}, "foreign_file"),
        ({"arrays/unused.npy": FILES["arrays/layer0_bias.npy"]}, "foreign_file"),
        ({"golden.json": None}, "not_a_bundle"),
        ({"graph.onnx": None}, "not_a_bundle"),
        ({"card.md": None}, "not_a_bundle"),
        ({"golden.json": b"[]"}, "bad_manifest"),
        ({"card.json": b'{"title":1}'}, "bad_manifest"),
    ],
)
def test_files_that_do_not_belong_or_lack(files: dict[str, bytes | None], expected: str) -> None:
    assert reason(replaced(DATA, files)) == expected


def test_files_the_manifest_does_not_know() -> None:
    assert reason(archive.pack(FILES | {"parts/more.json": b"{}"})) == "tampered"
    assert reason(archive.pack({n: d for n, d in FILES.items() if n != "card.md"})) == "tampered"
    assert reason(archive.pack(FILES | {"card.md": b"# Better"})) == "tampered"


def test_archives_that_are_no_bundle() -> None:
    assert reason(archive.pack({"a.txt": b""})) == "not_a_bundle"
    assert reason(zipped([("word/document.xml", b"<x/>")])) == "not_canonical"
    assert reason(b"\x80\x04\x95pickle") == "not_a_bundle"


def test_a_manifest_that_tells_of_another_program() -> None:
    said = bundle.read(DATA).manifest
    soc = said.inputs[0]
    wider = msgspec.structs.replace(soc, high=2.0)
    cases = {
        "kind": "lstm",
        "inputs": (wider, *said.inputs[1:]),
        "output": msgspec.structs.replace(said.output, unit="mV"),
        "state": {},
    }
    for name, value in cases.items():
        with pytest.raises(RefusedBundle, match=name) as refused:
            bundle.read(rewritten(DATA, **{name: value}))
        assert refused.value.reason == "bad_manifest"


def test_a_newer_schema_is_refused_before_all_else() -> None:
    newer = msgspec.json.encode({"schema": 2, "what": "ever"})
    files = {"manifest.json": newer, "signature.json": b"of another kind", "new/file": b""}
    assert reason(archive.pack(files)) == "newer_schema"
    assert reason(rewritten(DATA, schema=3)) == "newer_schema"


def test_vectors_that_would_prove_nothing() -> None:
    good = bundle.read(DATA).golden
    text = msgspec.json.decode(FILES["golden.json"])
    for changes in ({"tolerance": 1e9}, {"outputs": text["outputs"][:-1]}, {"middle": 0}):
        assert reason(replaced(DATA, {"golden.json": msgspec.json.encode(text | changes)})) == (
            "bad_manifest"
        )
    shifted = msgspec.structs.replace(good, outputs=tuple(v + 0.001 for v in good.outputs))
    assert reason(replaced(DATA, {"golden.json": manifest.encode(shifted)})) == "golden_mismatch"


def test_further_parts(tmp_path: Path) -> None:
    program = programs()["circuit"]
    data = bundle.pack(
        program, about(program), CARD, graph=b"x", parts={"interval": b'{"width_v":0.02}'}
    )
    found = bundle.load(data)
    assert found.part("interval") == b'{"width_v":0.02}'
    assert found.part("other") is None
    with pytest.raises(InputError):
        bundle.pack(program, about(program), CARD, graph=b"x", parts={"../up": b"{}"})


def test_what_cannot_be_packed() -> None:
    program = programs()["circuit"]
    for changes in ({"id": "Upper Case"}, {"version": "1"}, {"level": "module"}):
        with pytest.raises(InputError, match="cannot be made"):
            bundle.pack(program, about(program, **changes), CARD, graph=b"x")


def test_the_card_is_written_from_the_manifest() -> None:
    text = bundle.read(DATA).card_text
    for said in ("# A made-up model", "Made Up 18650", "| in | `soc` | 1 | 0 | 1 |", "0.0123 V",
                 "0.0524 V static table", "1 train files", "understood to be CC BY 4.0",
                 "https://doi.org/10.1/x", "Knows no real cell."):  # fmt: skip
        assert said in text


def test_a_signed_bundle(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="pip install cryptography")
    key, other = tmp_path / "key", tmp_path / "other"
    public, foreign = signing.generate(key), signing.generate(other)
    program = programs()["filter_fnn"]
    graph = b"not looked at without onnx"
    data = bundle.pack(program, about(program), CARD, graph=graph, key_file=key)
    assert data == bundle.signed(DATA, key)
    found = bundle.load(data, Trust.of(public))
    assert found.signer == public
    assert found.digest == bundle.read(DATA).digest
    assert reason(data, Trust.of(foreign)) == "wrong_key"
    assert reason(DATA, Trust.of(public)) == "unsigned"
    assert bundle.load(bundle.signed(data, other)).signer == foreign
    # Whoever changes a signed bundle and makes all digests fit has no signature that does.
    assert reason(rewritten(data, cell="Better")) == "bad_signature"
    assert reason(_resigned(data)) == "bad_signature"


def _resigned(data: bytes) -> bytes:
    """Another model with the signature of this one."""
    files = archive.unpack(made("lstm"))
    return archive.pack(files | {"signature.json": archive.unpack(data)["signature.json"]})


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        bundle.read_file(tmp_path / "absent.evb")
    with pytest.raises(InputError, match="is not a file"):
        bundle.read_file(tmp_path)
    large = tmp_path / "large.evb"
    with large.open("wb") as file:
        file.truncate(archive.MOST_BYTES + 1)
    with pytest.raises(RefusedBundle) as refused:
        bundle.read_file(large)
    assert refused.value.reason == "oversized"


def test_a_states_meaning_is_all_it_is_computed_from() -> None:
    parts = {kind: bundle.state_parts(program) for kind, program in programs().items()}
    other = {kind: bundle.state_parts(program) for kind, program in programs(1).items()}
    # Means of the current are the same whatever the weights; a network's memory is not.
    assert parts["filter_fnn"] == other["filter_fnn"]
    assert parts["lstm"]["cell0"] != other["lstm"]["cell0"]
    assert parts["lstm"]["cell0"] != parts["lstm"]["cell0.cell"]
    program = programs()["filter_fnn"]
    renamed = tuple(
        Input(s.name, "mA", s.low, s.high) if s.name == "current_a" else s for s in program.inputs
    )
    milli = msgspec.structs.replace(program, inputs=renamed)
    assert bundle.state_parts(milli) != parts["filter_fnn"]


def test_the_vectors_of_a_bundle_are_of_its_program() -> None:
    found = bundle.read(DATA)
    assert isinstance(found.golden, Golden)
    engine = Interpreter(found.program)
    rows = zip(found.golden.dt_s, *found.golden.inputs, strict=True)
    assert [engine.step(*row) for row in rows] == list(found.golden.outputs)
