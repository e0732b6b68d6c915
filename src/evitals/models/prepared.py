"""Data made ready by a recipe and a split, with a record that replays to the same digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.models import scaling
from evitals.models.preprocessing import apply, check_rates, disturbed, stretches
from evitals.models.recipe import Recipe
from evitals.models.scaling import Scaling
from evitals.models.split import ROLES, Role, Split
from evitals.telemetry.celltest import CellTest, columns_digest
from evitals.telemetry.findings import whole
from evitals.telemetry.recording import Finding

Array = NDArray[np.float64]
MAX_COPIES = 100


@dataclass(frozen=True, slots=True)
class Prepared:
    """A gap-free stretch ready for a model: ``columns`` of one length (n,), ``time_s`` in s.

    ``copy`` 0 is as measured; others carry the recipe's sensor errors (training only).
    """

    test_id: str
    cell: str
    profile: str
    ambient_degc: float | None
    role: Role
    copy: int
    part: int
    columns: Mapping[str, Array]
    inputs: tuple[str, ...]
    target: str
    digest: str
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.columns["time_s"])

    @property
    def x(self) -> Array:
        """The inputs in physical units, shape (n, inputs)."""
        return np.column_stack([self.columns[name] for name in self.inputs])

    @property
    def y(self) -> Array:
        """The target, shape (n,)."""
        return self.columns[self.target]

    @property
    def dt_s(self) -> Array:
        """Seconds since the sample before, 0 for the first, shape (n,)."""
        return np.diff(self.columns["time_s"], prepend=self.columns["time_s"][0])


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One prepared stretch in the record: from which content to which."""

    test_id: str
    role: str
    copy: int
    part: int
    samples: int
    source: str
    sampling: str
    input_digest: str
    output_digest: str
    assumed: tuple[str, ...] = ()


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is needed to make the same data again, and to prove that they are the same."""

    recipe: Recipe
    recipe_digest: str
    split: Split
    copies: int
    scaling: Scaling
    entries: tuple[Entry, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """Training, validation and test stretches, the scaling of the training, and the record."""

    training: tuple[Prepared, ...]
    validation: tuple[Prepared, ...]
    test: tuple[Prepared, ...]
    scaling: Scaling
    record: Record

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """What to know of the data, by test id."""
        everyone = (*self.training, *self.validation, *self.test)
        return tuple((one.test_id, finding) for one in everyone for finding in one.findings)


def prepare(
    recipe: Recipe, test: CellTest, role: Role, copies: int = 0
) -> tuple[list[Prepared], list[Entry]]:
    """A test's stretches as measured, and ``copies`` of each with the recipe's sensor errors.

    Raises InputError as preprocessing does, and for copies of data that are not for training.
    """
    if copies and role != "training":
        raise InputError(
            "copies",
            copies,
            f"would disturb {role} data: the score would be of made-up measurements",
            "disturb training data only; robustness is scored apart",
            reason="disturbed_scoring",
        )
    if not 0 <= copies <= MAX_COPIES or (copies and not recipe.disturb):
        needs = "needs [[disturb]] in the recipe" if not recipe.disturb else "is out of bounds"
        raise InputError("copies", copies, needs, f"use 0 to {MAX_COPIES}", reason="copies")
    made, entries = [], []
    for part, stretch in enumerate(stretches(recipe, test.columns, test.test_id)):
        for copy in range(copies + 1):
            key = f"{test.digest}/{part}"
            measured = disturbed(recipe, stretch.columns, key, copy) if copy else stretch.columns
            columns = apply(recipe, measured, test.test_id)
            one = Prepared(
                test_id=test.test_id,
                cell=test.cell,
                profile=test.profile,
                ambient_degc=test.ambient_degc,
                role=role,
                copy=copy,
                part=part,
                columns=columns,
                inputs=recipe.inputs,
                target=recipe.target,
                digest=columns_digest(columns),
                findings=_findings(recipe, columns, stretch.assumed) if not copy else (),
            )
            made.append(one)
            entries.append(_entry(test, one, stretch.assumed))
    return made, entries


def prepare_all(
    recipe: Recipe, tests: Sequence[CellTest], split: Split, copies: int = 0
) -> PreparedSet:
    """Every test of ``split`` made ready; the scaling is fitted on the training side alone.

    Raises InputError: a test of the split that is absent or changed, different sampling rates
    without resampling, a constant input, and as ``prepare`` does.
    """
    by_id = {one.test_id: one for one in tests}
    chosen: dict[Role, list[CellTest]] = {role: [] for role in ROLES}
    for role in ROLES:
        for member in split.members(role):
            found = by_id.get(member.test_id)
            if found is None or found.digest != member.digest:
                what = "is absent" if found is None else "has changed since the split was made"
                raise InputError(
                    role, member.test_id, what, "split the data you have", reason="changed_data"
                )
            chosen[role].append(found)
    check_rates(recipe, _rates([one for found in chosen.values() for one in found]))
    sides: dict[Role, list[Prepared]] = {role: [] for role in ROLES}
    entries: list[Entry] = []
    for role, members in chosen.items():
        for test in members:
            made, listed = prepare(recipe, test, role, copies if role == "training" else 0)
            sides[role] += made
            entries += listed
    fitted = scaling.fit([one.columns for one in sides["training"]], recipe.inputs, recipe.scaling)
    record = Record(
        recipe=recipe,
        recipe_digest=recipe.digest,
        split=split,
        copies=copies,
        scaling=fitted,
        entries=tuple(entries),
    )
    return PreparedSet(
        tuple(sides["training"]), tuple(sides["validation"]), tuple(sides["test"]), fitted, record
    )


def replay(record: Record, tests: Sequence[CellTest]) -> PreparedSet:
    """The same data again from their record.

    Raises InputError where the recipe's digest, a test's content or an output's digest differs.
    """
    if record.recipe.digest != record.recipe_digest:
        raise InputError(
            "recipe_digest",
            record.recipe_digest,
            "is not the digest of the recorded recipe",
            "the record was edited: prepare anew",
            reason="edited_record",
        )
    made = prepare_all(record.recipe, tests, record.split, record.copies)
    for before, now in zip(record.entries, made.record.entries, strict=True):
        if before != now:
            raise InputError(
                "entries",
                before.test_id,
                f"came out as {now.output_digest[:12]}, not {before.output_digest[:12]}",
                "the data or the software differ from those recorded",
                reason="replay_differs",
            )
    return made


def load_record(text: bytes) -> Record:
    """The record in JSON. Raises InputError."""
    try:
        return msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("record", f"{len(text)} bytes", str(error), "prepare anew") from error


def dump_record(record: Record) -> bytes:
    """The record as JSON."""
    return msgspec.json.encode(record)


def _entry(test: CellTest, one: Prepared, assumed: tuple[str, ...]) -> Entry:
    return Entry(
        test_id=test.test_id,
        role=one.role,
        copy=one.copy,
        part=one.part,
        samples=len(one),
        source=test.source,
        sampling=test.sampling,
        input_digest=test.digest,
        output_digest=one.digest,
        assumed=assumed,
    )


def _rates(tests: list[CellTest]) -> dict[str, float]:
    return {
        one.test_id: float(np.median(np.diff(one.columns["time_s"])))
        for one in tests
        if len(one) > 1
    }


def _findings(
    recipe: Recipe, columns: Mapping[str, Any], assumed: tuple[str, ...]
) -> tuple[Finding, ...]:
    count = len(columns["time_s"])
    found = [
        whole("assumed", "warning", count, name, f"{name} was not measured: a constant is assumed")
        for name in assumed
    ]
    found += [
        whole("constant", "info", count, name, f"{name} is constant in this stretch")
        for name in (*recipe.inputs, recipe.target)
        if name not in assumed and np.ptp(columns[name]) == 0.0
    ]
    return tuple(found)
