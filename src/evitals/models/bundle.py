"""A bundle: one file that holds an estimator, its proof and its papers.

``pack`` makes one, ``read`` checks one without running it, ``load`` runs its golden vectors too.
Files: ``manifest.json``; the Program (``program.json``, ``arrays/NAME.npy``); ``graph.onnx``;
``golden.json``; ``card.json`` and ``card.md``; further plain data as ``parts/NAME.json``;
``signature.json``. No pickle, no code.
"""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from evitals.errors import InputError, RefusedBundle
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.program import Node, Program
from evitals.models import archive, manifest, onnx_graph, signing
from evitals.models.card import Card, markdown
from evitals.models.golden import Golden, check, golden_of
from evitals.models.manifest import Lineage, Manifest, Metric, Range, StatePart, Step
from evitals.models.signing import ANYONE, Trust

SUFFIX = ".evb"
GRAPH, GOLDEN, CARD, CARD_TEXT = "graph.onnx", "golden.json", "card.json", "card.md"
PROGRAM, ARRAYS, PARTS = "program.json", "arrays/", "parts/"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a Program does not say about itself and a bundle must. Fields as in ``Manifest``."""

    id: str
    version: str
    level: str
    chemistry: str
    output_low: float
    output_high: float
    step: Step
    cell: str = ""
    reference_capacity_ah: float | None = None
    metrics: tuple[Metric, ...] = ()
    lineage: Lineage = Lineage()


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that was read and found whole. ``data`` is the file; ``signer`` its public key."""

    manifest: Manifest = field(repr=False)
    program: Program = field(repr=False)
    golden: Golden = field(repr=False)
    card: Card
    signer: str | None
    files: Mapping[str, bytes] = field(repr=False)
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """The digest that names this model everywhere."""
        return self.manifest.digest

    @property
    def name(self) -> str:
        """``ID VERSION``."""
        return f"{self.manifest.id} {self.manifest.version}"

    @property
    def card_text(self) -> str:
        """The card as Markdown."""
        return self.files[CARD_TEXT].decode("utf-8", "replace")

    @property
    def graph(self) -> bytes:
        """The ONNX graph."""
        return self.files[GRAPH]

    def part(self, name: str) -> bytes | None:
        """Further data by name (see ``pack``); None where the bundle has none."""
        return self.files.get(f"{PARTS}{name}.json")


def pack(
    program: Program,
    about: About,
    card: Card,
    *,
    parts: Mapping[str, bytes] | None = None,
    graph: bytes | None = None,
    key_file: Path | None = None,
) -> bytes:
    """The bytes of a bundle: equal for equal input. Signed where ``key_file`` is given.

    ``parts``: further JSON by name, for example an interval model. ``graph`` is written from the
    program where it is not given. Raises InputError naming what is wrong, MissingExtra where the
    graph must be written and onnx is not installed.
    """
    golden = golden_of(program, about.step)
    files = program.to_files() | {GOLDEN: manifest.encode(golden), CARD: manifest.encode(card)}
    files |= {f"{PARTS}{name}.json": data for name, data in (parts or {}).items()}
    files[GRAPH] = graph if graph is not None else onnx_graph.to_onnx(program)
    # The card's text cannot hold the digest of the manifest that holds its own.
    files[CARD_TEXT] = markdown(card, _manifest(program, about, {})).encode()
    listed = {name: manifest.digest_of(data) for name, data in files.items()}
    files[archive.MANIFEST] = manifest.encode(manifest.sealed(_manifest(program, about, listed)))
    if key_file is not None:
        files[signing.FILE] = signing.sign(files[archive.MANIFEST], key_file)
    data = archive.pack(files)
    read(data)
    return data


def signed(data: bytes, key_file: Path) -> bytes:
    """The bundle with a signature instead of the one it had, if any. The digest stays."""
    files = dict(read(data).files)
    files[signing.FILE] = signing.sign(files[archive.MANIFEST], key_file)
    return archive.pack(files)


def read(data: bytes, trust: Trust = ANYONE) -> Bundle:
    """The bundle in ``data``, checked: archive, schema, signature, digests, program, vectors' form.

    Raises RefusedBundle; its ``reason`` is one of those in docs/models.md.
    """
    files = archive.unpack(data)
    if archive.MANIFEST not in files:
        raise _refused(archive.MANIFEST, "is not in the archive", "not_a_bundle")
    said = manifest.read(files[archive.MANIFEST])
    signer = trust.signer(files[archive.MANIFEST], files.get(signing.FILE))
    _same_files(said, files)
    program = _program(files)
    _same_program(said, program)
    golden = manifest.decode(files[GOLDEN], Golden, GOLDEN)
    card = manifest.decode(files[CARD], Card, CARD)
    return Bundle(said, program, golden, card, signer, files, data)


def load(data: bytes, trust: Trust = ANYONE) -> Bundle:
    """``read``, and the golden vectors reproduced by the NumPy interpreter."""
    bundle = read(data, trust)
    check(bundle.golden, Interpreter(bundle.program))
    return bundle


def read_file(path: Path) -> bytes:
    """The bytes of a bundle's file. Raises InputError for what is no file or too large."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise InputError("FILE", str(path), "is not a file", "give a model bundle")
        if about.st_size > archive.MOST_BYTES:
            raise _refused(f"{path}: {about.st_size} bytes", "is too large", "oversized")
        with path.open("rb") as file:
            return file.read(archive.MOST_BYTES + 1)
    except OSError as error:
        raise InputError(
            "FILE", str(path), f"cannot be read ({error.strerror})", "give a model bundle"
        ) from error


def state_parts(program: Program) -> dict[str, StatePart]:
    """Shape and meaning of each state, in the program's order.

    The meaning is a digest of everything the state is computed from: signals with units,
    operations, numbers, weights. Two states of equal meaning may stand in for each other.
    """
    meaning = {s.name: _digest("input", s.name, s.unit) for s in program.inputs}
    parts: dict[str, StatePart] = {}
    for node in program.nodes:
        meaning[node.out] = _meaning(node, program, meaning)
        for name, width in program.states.items():
            if name.partition(".")[0] == node.out:
                suffix = name.partition(".")[2]
                parts[name] = StatePart((width,), _digest(meaning[node.out], suffix))
    return {name: parts[name] for name in program.states}


def _meaning(node: Node, program: Program, known: Mapping[str, str]) -> str:
    arrays = [program.arrays[name] for name in node.arrays]
    return _digest(
        node.op,
        *(known[name] for name in node.args),
        *(f"{name} {number!r}" for name, number in sorted(node.numbers.items())),
        *(f"{a.shape} {hashlib.sha256(a.astype('<f4').tobytes()).hexdigest()}" for a in arrays),
        repr(program.step_s),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _manifest(program: Program, about: About, files: dict[str, manifest.FileInfo]) -> Manifest:
    output = program.output
    fields = msgspec.structs.asdict(about)
    low, high = fields.pop("output_low"), fields.pop("output_high")
    made = {
        "kind": program.kind,
        "inputs": [msgspec.to_builtins(signal) for signal in program.inputs],
        "output": {"name": output.name, "unit": output.unit, "low": low, "high": high},
        "state": msgspec.to_builtins(state_parts(program)),
        "files": msgspec.to_builtins(files),
    }
    try:
        return msgspec.convert(msgspec.to_builtins(fields) | made, Manifest)
    except msgspec.ValidationError as error:
        raise InputError("bundle", about.id, f"cannot be made: {error}", "correct it") from error


def _same_files(said: Manifest, files: Mapping[str, bytes]) -> None:
    """The archive holds the files the manifest lists, byte by byte, and no other."""
    there = files.keys() - {archive.MANIFEST, signing.FILE}
    odd = sorted(there ^ said.files.keys())
    if odd:
        where = "not in the archive" if odd[0] in said.files else "not in the manifest"
        raise _refused(odd[0], f"is {where}", "tampered")
    for name, info in said.files.items():
        if manifest.digest_of(files[name]) != info:
            raise _refused(name, "is not the file that the manifest names", "tampered")
    for name in (PROGRAM, GRAPH, GOLDEN, CARD, CARD_TEXT):
        if name not in there:
            raise _refused(name, "is missing", "not_a_bundle")


def _program(files: Mapping[str, bytes]) -> Program:
    try:
        program = Program.from_files(files)
    except InputError as error:
        raise RefusedBundle(
            error.field, error.value, error.problem, error.remedy, reason="bad_program"
        ) from error
    used = {PROGRAM, *program.to_files()}
    known = (GRAPH, GOLDEN, CARD, CARD_TEXT, archive.MANIFEST, signing.FILE)
    for name in files.keys() - used - set(known):
        if not (name.startswith(PARTS) and name.endswith(".json")):
            raise _refused(name, "has no place in a bundle", "foreign_file")
    return program


def _same_program(said: Manifest, program: Program) -> None:
    """The manifest tells of the program that is there."""
    inputs = tuple(Range(s.name, s.unit, s.low, s.high) for s in program.inputs)
    output, step = program.output, program.step_s
    pairs = {
        "kind": (said.kind, program.kind),
        "inputs": (said.inputs, inputs),
        "output": ((said.output.name, said.output.unit), (output.name, output.unit)),
        "state": (said.state, state_parts(program)),
        "step": (said.step.nominal_s, said.step.nominal_s if step is None else step),
    }
    for name, (one, other) in pairs.items():
        if one != other:
            raise _refused(name, "in the manifest is not the program's", "bad_manifest")


def _refused(what: str, problem: str, reason: str) -> RefusedBundle:
    return RefusedBundle(
        "bundle", what, problem, "write the bundle again with evitals", reason=reason
    )
