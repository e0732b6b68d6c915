"""A program: an estimator as data, the one form that is interpreted, compiled and exported.

Inputs in physical units, nodes in the order they are computed, float32 arrays, one output. It holds
no code. ``to_files`` gives a JSON manifest and one ``.npy`` an array; ``from_files`` checks all of
it and never unpickles.
"""

import hashlib
import io
import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

import msgspec
import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.program.ops import OPS, Misfit, Op

Array = NDArray[np.float32]

FORMAT = "evitals-program"
VERSION = 1
MANIFEST = "program.json"
INPUT_LIMIT = 1e9
"""An input of this size or beyond is no measurement: it is as unknown as NaN."""
OUTPUT_LIMIT = 3e38
"""An answer of this size (the largest float32, nearly) has diverged."""
WEIGHT_LIMIT = 1e12
STEP_TOLERANCE = 0.1
"""How far a step may be from the one step a program knows, as a share of it."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MAX_NODES, _MAX_WIDTH, _MAX_ELEMENTS, _MAX_MANIFEST = 500, 4096, 4_000_000, 1_000_000


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured signal: its name, its unit and the range it was fitted for."""

    name: str
    unit: str
    low: float
    high: float


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the program answers, and which node's value (width 1) it is."""

    name: str
    unit: str
    value: str


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operation: the value ``out`` from the values ``args``. Arrays are named in the order of
    ``OPS[op].arrays``."""

    op: str
    out: str
    args: tuple[str, ...]
    arrays: tuple[str, ...] = ()
    numbers: dict[str, float] = {}


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    version: int
    kind: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    output: Output
    step_s: float | None
    arrays: dict[str, tuple[int, ...]]


class Program(msgspec.Struct, frozen=True, eq=False):
    """A checked program. Raises InputError naming the node and what to do.

    ``step_s``: the only step time it takes, s (within ``STEP_TOLERANCE``), required by recurrent
    networks; None: any step, exactly. ``widths`` and ``states`` follow from the nodes.
    """

    kind: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    arrays: dict[str, Array]
    output: Output
    step_s: float | None = None
    widths: dict[str, int] = msgspec.field(default_factory=dict)
    states: dict[str, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in _typed(self).items():
            msgspec.structs.force_setattr(self, name, value)
        _check_size(self)
        frozen = {name: _frozen(name, values) for name, values in self.arrays.items()}
        msgspec.structs.force_setattr(self, "arrays", frozen)
        widths, states = _walk(self)
        msgspec.structs.force_setattr(self, "widths", widths)
        msgspec.structs.force_setattr(self, "states", states)

    @property
    def parameters(self) -> int:
        """How many numbers its arrays hold."""
        return sum(values.size for values in self.arrays.values())

    @property
    def state_size(self) -> int:
        """How many numbers it remembers."""
        return sum(self.states.values())

    def digest(self) -> str:
        """SHA-256 of all that decides its answers, as hexadecimal text."""
        found = hashlib.sha256(self._manifest())
        for name in sorted(self.arrays):
            found.update(self.arrays[name].astype("<f4").tobytes())
        return found.hexdigest()

    def to_files(self) -> dict[str, bytes]:
        """File name to content: ``program.json`` and ``arrays/NAME.npy``; equal for equal
        programs, byte by byte."""
        files = {MANIFEST: self._manifest()}
        for name, values in self.arrays.items():
            file = io.BytesIO()
            np.lib.format.write_array(file, values.astype("<f4"), (1, 0), allow_pickle=False)
            files[_array_file(name)] = file.getvalue()
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Program":
        """The program that ``to_files`` gave. Other files beside it are left alone.

        Raises InputError where a file is absent, broken, of a newer version or not what the
        manifest says.
        """
        if MANIFEST not in files:
            raise InputError(
                MANIFEST, sorted(files)[:5], "is missing", "give all files of the program"
            )
        manifest = _read_manifest(files[MANIFEST])
        arrays = {name: _read_array(name, shape, files) for name, shape in manifest.arrays.items()}
        return cls(
            manifest.kind,
            manifest.inputs,
            manifest.nodes,
            arrays,
            manifest.output,
            manifest.step_s,
        )

    def _manifest(self) -> bytes:
        manifest = _Manifest(
            FORMAT,
            VERSION,
            self.kind,
            self.inputs,
            self.nodes,
            self.output,
            self.step_s,
            {name: values.shape for name, values in self.arrays.items()},
        )
        return msgspec.json.encode(manifest, order="deterministic")


def _refuse(
    field: str, value: Any, problem: str, remedy: str = "build the program again"
) -> NoReturn:
    raise InputError(field, value, problem, remedy, reason="invalid_program")


class _Typed(msgspec.Struct):
    kind: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    output: Output
    step_s: float | None


def _typed(program: Program) -> dict[str, Any]:
    """Copies of the plain parts with exactly the declared types: 1 and 1.0 digest alike."""
    given = {name: getattr(program, name) for name in _Typed.__struct_fields__}
    try:
        return msgspec.structs.asdict(msgspec.convert(msgspec.to_builtins(given), _Typed))
    except (msgspec.ValidationError, TypeError) as error:
        _refuse("program", str(error), "has a part of a wrong type")


def _check_size(program: Program) -> None:
    """Refuse what is too large before anything is computed from it."""
    if not 1 <= len(program.inputs) <= 64:
        _refuse("inputs", len(program.inputs), "is not a number of inputs from 1 to 64")
    if not 1 <= len(program.nodes) <= _MAX_NODES:
        _refuse("nodes", len(program.nodes), f"is not a number of nodes from 1 to {_MAX_NODES}")
    elements = sum(int(np.size(values)) for values in program.arrays.values())
    if elements > _MAX_ELEMENTS:
        _refuse("arrays", elements, f"are more than {_MAX_ELEMENTS} numbers", "use a smaller model")
    step = program.step_s
    if step is not None and not (math.isfinite(step) and 1e-4 <= step <= 1e5):
        _refuse("step_s", step, "is no step time from 0.0001 to 100000 s", "give it in seconds")
    if not _NAME.fullmatch(program.kind):
        _refuse("kind", program.kind, "is no lower snake case name")


def _frozen(name: str, values: Any) -> Array:
    if not _NAME.fullmatch(name):
        _refuse("arrays", name, "is no lower snake case name")
    try:
        # A copy, C-contiguous: whoever made it may go on changing theirs.
        found = np.array(values, dtype=np.float32, order="C")
    except (TypeError, ValueError) as error:
        _refuse(name, str(error), "is no array of numbers")
    if not found.size or found.ndim > 3 or max(found.shape, default=1) > _MAX_WIDTH:
        _refuse(name, found.shape, f"has a shape without numbers or above {_MAX_WIDTH} a side")
    if not (np.abs(found) < WEIGHT_LIMIT).all():
        _refuse(
            name,
            f"{int((~(np.abs(found) < WEIGHT_LIMIT)).sum())} of {found.size}",
            f"values are NaN, infinite or beyond {WEIGHT_LIMIT:g}",
            "train again: the model diverged",
        )
    found.setflags(write=False)
    return found


def _walk(program: Program) -> tuple[dict[str, int], dict[str, int]]:
    """Widths of all values and states, node after node; refuses the first that does not fit."""
    widths: dict[str, int] = {}
    states: dict[str, int] = {}
    for signal in program.inputs:
        _check_new(signal.name, widths, "inputs")
        # The same comparison refuses NaN.
        if not -math.inf < signal.low < signal.high < math.inf:
            _refuse(signal.name, (signal.low, signal.high), "is no range", "give low < high")
        widths[signal.name] = 1
    later = {node.out for node in program.nodes}
    for k, node in enumerate(program.nodes):
        where = f"nodes[{k}] {node.op} {node.out}"
        _check_new(node.out, widths, where)
        op = _op(node, where, program)
        for name in node.args:
            if name not in widths:
                problem = "is computed later: a cycle or a wrong order" if name in later else (
                    "is no value of this program"
                )  # fmt: skip
                _refuse(where, name, problem, "order the nodes by what they need")
        width, kept = _fit(op, node, where, program, widths)
        widths[node.out] = width
        states |= {f"{node.out}.{part}" if part else node.out: n for part, n in kept.items()}
    if widths.get(program.output.value) != 1:
        _refuse("output", program.output.value, "is no value of width 1")
    unused = program.arrays.keys() - {name for node in program.nodes for name in node.arrays}
    if unused:
        _refuse("arrays", sorted(unused), "are used by no node", "leave them out")
    return widths, states


def _check_new(name: str, known: Mapping[str, int], where: str) -> None:
    if not _NAME.fullmatch(name):
        _refuse(where, name, "is no lower snake case name")
    if name in known:
        _refuse(where, name, "is named twice")


def _op(node: Node, where: str, program: Program) -> Op:
    if node.op not in OPS:
        near = get_close_matches(node.op, OPS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(OPS)}"
        _refuse(where, node.op, "is no operation", hint)
    op = OPS[node.op]
    if op.fixed_step and program.step_s is None:
        _refuse("step_s", None, f"is needed by {where}", "give the step time of its training")
    return op


def _fit(
    op: Op, node: Node, where: str, program: Program, widths: Mapping[str, int]
) -> tuple[int, dict[str, int]]:
    count = len(node.args)
    if count != op.arguments if op.arguments is not None else not 1 <= count <= 64:
        _refuse(where, list(node.args), f"are not {op.arguments or '1 to 64'} arguments")
    if len(node.arrays) != len(op.arrays):
        _refuse(where, list(node.arrays), f"are not its arrays {list(op.arrays)}")
    for name in node.arrays:
        if name not in program.arrays:
            _refuse(where, name, "is no array of this program", "give all arrays")
    if node.numbers.keys() != set(op.numbers):
        _refuse(where, sorted(node.numbers), f"are not its numbers {sorted(op.numbers)}")
    _check_values(op, node, where, program)
    try:
        width, kept = op.shape(
            [widths[name] for name in node.args],
            [program.arrays[name].shape for name in node.arrays],
            node.numbers,
        )
    except Misfit as misfit:
        _refuse(where, list(node.args), str(misfit))
    if width > _MAX_WIDTH:
        _refuse(where, width, f"is wider than {_MAX_WIDTH}", "use a smaller model")
    return width, kept


def _check_values(op: Op, node: Node, where: str, program: Program) -> None:
    parts = dict(zip(op.arrays, (program.arrays[name] for name in node.arrays), strict=True))
    for name, number in node.numbers.items():
        if not abs(number) < WEIGHT_LIMIT:
            _refuse(where, number, f"as {name} is not finite")
    for name in op.positive:
        values = parts[name] if name in parts else np.float32(node.numbers[name])
        if not (values > 0.0).all():
            _refuse(where, name, "is not above zero everywhere")
    for name in op.rising:
        if not (np.diff(parts[name].ravel()) > 0.0).all():
            _refuse(where, name, "does not rise strictly (as float32)")


def _array_file(name: str) -> str:
    return f"arrays/{name}.npy"


def _read_manifest(content: bytes) -> _Manifest:
    if len(content) > _MAX_MANIFEST:
        _refuse(MANIFEST, len(content), f"bytes are more than {_MAX_MANIFEST}", "export it again")
    try:
        head = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse(MANIFEST, str(error), "is no JSON object", "export it again")
    if head.get("format") != FORMAT:
        _refuse(MANIFEST, head.get("format"), "is no program's format", f"give an {FORMAT}")
    if head.get("version") != VERSION:
        _refuse(
            MANIFEST,
            head.get("version"),
            f"is not the version this evitals reads ({VERSION})",
            "update evitals or export the program again",
        )
    try:
        return msgspec.convert(head, _Manifest)
    except msgspec.ValidationError as error:
        _refuse(MANIFEST, str(error), "does not hold a program", "export it again")


def _read_array(name: str, shape: tuple[int, ...], files: Mapping[str, bytes]) -> Array:
    file = _array_file(name)
    if file not in files:
        _refuse(file, sorted(files)[:5], "is missing", "give all files of the program")
    content = files[file]
    # What the header claims is compared with what came before anything is allocated.
    if any(n < 1 for n in shape) or len(content) > 4 * math.prod(shape) + 1000:
        _refuse(file, f"{len(content)} bytes", f"do not hold {shape}", "export it again")
    stream = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("not version 1.0 of the format")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        values = np.frombuffer(content, "<f4", offset=stream.tell())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        _refuse(file, str(error), "is no .npy file of float32", "export it again")
    if found != shape or fortran or dtype != np.dtype("<f4") or values.size != math.prod(shape):
        _refuse(file, (found, str(dtype)), f"is not {shape} of float32", "export it again")
    return values.reshape(shape)
