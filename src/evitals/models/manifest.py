"""What a bundle says about itself: the manifest, plain data in ``manifest.json``.

Its text is canonical (keys in the order of the fields, no spaces): equal manifests are equal
bytes, and the signature is over these bytes. ``digest`` covers everything else in the manifest, and
``files`` covers every other file, so one digest names the whole bundle.
"""

import hashlib
import math
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from evitals.battery import Level, Positive
from evitals.errors import InputError, RefusedBundle

SCHEMA = 1
"""Version of the bundle's format. A reader refuses a newer one."""
MOST_TEXT = 2**22
"""Most bytes of one JSON file in a bundle."""

Text = Annotated[str, Meta(max_length=500)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$(?!\n)")]
StateName = Annotated[str, Meta(max_length=64, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)?$(?!\n)")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
ModelId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$(?!\n)")]
"""Lower case, since it names a folder too."""
Version = Annotated[
    str, Meta(max_length=32, pattern=r"^(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}$(?!\n)")
]
Size = Annotated[int, Meta(ge=0, le=2**30)]
Data = TypeVar("Data")


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """A signal that goes in or comes out: name, unit, and the range the model was made for."""

    name: Name
    unit: Annotated[str, Meta(max_length=16)]
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"{self.name}.low",
                self.low,
                f"is not below its high {self.high}, or no number",
                "state the range of the training data",
            )


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """Time between two samples, s: as trained, and the bounds within which it may vary."""

    nominal_s: Positive
    low_s: Positive
    high_s: Positive

    def __post_init__(self) -> None:
        if not self.low_s <= self.nominal_s <= self.high_s:
            raise InputError(
                "step.nominal_s",
                self.nominal_s,
                f"is not between {self.low_s} and {self.high_s}",
                "correct the bounds",
            )


class StatePart(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the state: its shape, and a digest of what its numbers mean."""

    shape: tuple[Annotated[int, Meta(ge=1, le=100_000)], ...]
    meaning: Sha256


class Metric(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A score: of what, on which data, under which condition, and the baseline beside it."""

    name: Name
    value: float
    unit: Annotated[str, Meta(max_length=16)]
    on: Text
    where: Text = "all"
    baseline: float | None = None
    baseline_name: Text = ""

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.value, self.baseline or 0.0)):
            raise InputError(f"metrics.{self.name}", self.value, "is no number", "score it again")


class DataFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file the model was made from or judged on."""

    name: Text
    sha256: Sha256
    role: Literal["train", "validation", "calibration", "test"]


class Lineage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the model comes from: job, configuration, seed, files, parents."""

    job: Text = ""
    config_sha256: Sha256 | None = None
    code: Text = ""
    seed: int | None = None
    files: tuple[DataFile, ...] = ()
    parents: tuple[Sha256, ...] = ()


class FileInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the bundle, as it must be."""

    bytes: Size
    sha256: Sha256


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about a bundle but its numbers. ``digest`` is written by ``sealed``."""

    schema: int = SCHEMA
    id: ModelId
    version: Version
    digest: Sha256 | Literal[""] = ""
    kind: Name
    level: Level
    chemistry: Annotated[str, Meta(min_length=1, max_length=32)]
    cell: Text = ""
    reference_capacity_ah: Positive | None = None
    inputs: tuple[Range, ...]
    output: Range
    step: Step
    state: dict[StateName, StatePart]
    metrics: tuple[Metric, ...] = ()
    lineage: Lineage = Lineage()
    files: dict[Annotated[str, Meta(max_length=500)], FileInfo]

    def __post_init__(self) -> None:
        names = [signal.name for signal in self.inputs]
        if not names or len(set(names)) < len(names):
            raise InputError(
                "inputs", ", ".join(names), "are none, or one is named twice", "name each once"
            )


def encode(data: object) -> bytes:
    """Canonical JSON of a Struct."""
    return msgspec.json.encode(data, order="deterministic")


def decode(text: bytes, kind: type[Data], name: str) -> Data:
    """A Struct from the JSON in a bundle's file ``name``. Raises RefusedBundle (bad_manifest)."""
    try:
        if len(text) > MOST_TEXT:
            raise ValueError(f"{len(text)} bytes are more than {MOST_TEXT}")
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, InputError, UnicodeDecodeError, ValueError, RecursionError) as bad:
        raise RefusedBundle(
            "bundle",
            name,
            f"cannot be used: {bad}",
            "write the bundle again with evitals",
            reason="bad_manifest",
        ) from bad


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the digest of all it says."""
    bare = msgspec.structs.replace(manifest, digest="")
    return msgspec.structs.replace(manifest, digest=hashlib.sha256(encode(bare)).hexdigest())


def read(text: bytes) -> Manifest:
    """The manifest in the bytes of ``manifest.json``.

    Raises RefusedBundle: newer_schema before anything else is looked at, bad_manifest, or
    tampered where the text is not as ``encode`` writes it or its digest is another.
    """

    class Schema(Struct):
        schema: int

    version = decode(text, Schema, "manifest.json").schema
    if version != SCHEMA:
        raise RefusedBundle(
            "schema",
            version,
            f"is not known here (this evitals reads {SCHEMA})",
            "update evitals" if version > SCHEMA else "write the bundle again",
            reason="newer_schema" if version > SCHEMA else "bad_manifest",
        )
    manifest = decode(text, Manifest, "manifest.json")
    if encode(manifest) != text or sealed(manifest) != manifest:
        raise RefusedBundle(
            "digest",
            manifest.digest,
            "does not fit the manifest",
            "fetch the bundle again",
            reason="tampered",
        )
    return manifest


def digest_of(data: bytes) -> FileInfo:
    """Size and digest of a file."""
    return FileInfo(len(data), hashlib.sha256(data).hexdigest())
