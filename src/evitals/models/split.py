"""Splits by file, cell or profile; never by row.

Rows of one drive resemble their neighbours: split by row, a model is scored on what it has seen.
So whole groups go to training, validation or test, and nothing may lie on two sides, not even
under another name or cut shorter.
"""

import difflib
import random
from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.telemetry.celltest import CellTest

By = Literal["file", "cell", "profile"]
Role = Literal["training", "validation", "test"]
ROLES: tuple[Role, ...] = ("training", "validation", "test")

PRINT_ROWS = 32
PRINT_SHARE = 16
"""A print is kept of one in PRINT_SHARE stretches of PRINT_ROWS samples, chosen by content."""
LEAK_SHARE = 0.05
"""Two tests that share more of their prints than this hold the same measurement."""


class Member(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A test in a split: its names, and the digest of its content."""

    test_id: str
    cell: str
    profile: str
    digest: str
    samples: int


class Split(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is on which side, with digests; recorded in the model's bundle.

    ``same_cell``: training and scoring hold the same cell, so the score says nothing of others.
    """

    by: By
    training: tuple[Member, ...]
    validation: tuple[Member, ...] = ()
    test: tuple[Member, ...] = ()
    fold: Annotated[int, Meta(ge=0)] | None = None
    seed: int | None = None

    @property
    def same_cell(self) -> bool:
        """Whether a cell of the training is also scored."""
        scored = {m.cell for m in (*self.validation, *self.test)}
        return bool(scored & {m.cell for m in self.training})

    def members(self, role: Role) -> tuple[Member, ...]:
        """The members on one side."""
        return cast(tuple[Member, ...], getattr(self, role))


def choose(
    tests: Sequence[CellTest],
    by: str,
    *,
    training: Sequence[str],
    validation: Sequence[str] = (),
    test: Sequence[str] = (),
) -> Split:
    """A split by explicit lists of groups (ids of files, cells, or names of profiles).

    Tests in no list are left out. Raises InputError for a row split, an unknown group (the nearest
    is named), a group on two sides, an empty training, and a leak.
    """
    chosen = _by(by)
    _check_ids(tests)
    lists = {"training": training, "validation": validation, "test": test}
    known = sorted({_group(one, chosen) for one in tests})
    side: dict[str, str] = {}
    for role, groups in lists.items():
        for group in groups:
            if group not in known:
                raise _unknown(role, group, known, chosen)
            if side.setdefault(group, role) != role:
                raise InputError(
                    role,
                    group,
                    f"is in {side[group]} too",
                    f"put each {chosen} on one side",
                    reason="split_overlap",
                )
    sides = {
        role: [one for one in tests if side.get(_group(one, chosen)) == role] for role in lists
    }
    return _made(chosen, sides)


def folds(
    tests: Sequence[CellTest], by: str, count: int, seed: int, *, test: Sequence[str] = ()
) -> list[Split]:
    """``count`` splits: each group is validated once and trained on otherwise.

    ``test`` groups are on neither side: they decide nothing. Groups are shuffled by ``seed`` and
    dealt by size (samples), so folds weigh about alike. Raises InputError as ``choose`` does, and
    where there are fewer groups than folds.
    """
    chosen = _by(by)
    _check_ids(tests)
    known = sorted({_group(one, chosen) for one in tests})
    for group in test:
        if group not in known:
            raise _unknown("test", group, known, chosen)
    groups = [group for group in known if group not in test]
    if not 2 <= count <= len(groups):
        raise InputError(
            "folds",
            count,
            f"do not fit {len(groups)} groups by {chosen}",
            f"use 2 to {len(groups)}" if len(groups) > 1 else f"give tests of several {chosen}s",
            reason="too_few_groups",
        )
    dealt = _dealt(tests, groups, chosen, count, seed)
    made = []
    for fold in range(count):
        sides: dict[str, list[CellTest]] = {role: [] for role in ROLES}
        for one in tests:
            group = _group(one, chosen)
            held = group in test
            role = "test" if held else "validation" if dealt[group] == fold else "training"
            sides[role].append(one)
        made.append(_made(chosen, sides, fold, seed))
    return made


def leaks(first: CellTest, second: CellTest) -> float:
    """The share of the shorter test's prints that the other holds too, 0 to 1."""
    return _shared(_prints(first), _prints(second))


def _by(by: str) -> By:
    if by in ("row", "rows", "sample", "window", "random"):
        raise InputError(
            "by",
            by,
            "would put rows of one drive on both sides: neighbours are alike, so the score would "
            "be of what was seen",
            "split by file, cell or profile",
            reason="row_split",
        )
    if by not in ("file", "cell", "profile"):
        near = difflib.get_close_matches(by, ["file", "cell", "profile"], n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError("by", by, "is no way to split", f"{hint}use file, cell or profile")
    return by  # type: ignore[return-value]


def _check_ids(tests: Sequence[CellTest]) -> None:
    if not tests:
        raise InputError("tests", [], "hold nothing to split", "give tests", reason="no_tests")
    seen: set[str] = set()
    for one in tests:
        if one.test_id in seen:
            raise InputError("test_id", one.test_id, "is the name of two tests", "name each apart")
        seen.add(one.test_id)


def _group(test: CellTest, by: By) -> str:
    return {"file": test.test_id, "cell": test.cell, "profile": test.profile}[by]


def _unknown(role: str, group: str, known: list[str], by: By) -> InputError:
    near = difflib.get_close_matches(group, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return InputError(
        role,
        group,
        f"is no {by} of the data",
        f"{hint}there are {shown or 'no tests at all'}",
        reason="unknown_group",
    )


def _dealt(
    tests: Sequence[CellTest], groups: list[str], by: By, count: int, seed: int
) -> dict[str, int]:
    sizes = dict.fromkeys(groups, 0)
    for one in tests:
        if _group(one, by) in sizes:
            sizes[_group(one, by)] += len(one)
    order = list(groups)
    random.Random(seed).shuffle(order)  # noqa: S311
    # Ties in size keep the shuffled order: the seed decides among equals.
    order.sort(key=lambda group: -sizes[group])
    held, loads = {}, [(0, 0, fold) for fold in range(count)]
    for group in order:
        # Fewest groups first, so that no fold stays empty; then the lightest.
        groups_held, load, fold = min(loads)
        held[group] = fold
        loads[fold] = (groups_held + 1, load + sizes[group], fold)
    return held


def _made(
    by: By, sides: dict[str, list[CellTest]], fold: int | None = None, seed: int | None = None
) -> Split:
    if not sides["training"]:
        raise InputError(
            "training",
            [],
            "holds no test",
            f"name the {by}s to train on",
            reason="empty_training",
        )
    _check_leak(sides)
    members = {role: tuple(_member(one) for one in found) for role, found in sides.items()}
    return Split(by=by, **cast(dict[str, Any], members), fold=fold, seed=seed)


def _member(test: CellTest) -> Member:
    return Member(
        test_id=test.test_id,
        cell=test.cell,
        profile=test.profile,
        digest=test.digest,
        samples=len(test),
    )


def _check_leak(sides: dict[str, list[CellTest]]) -> None:
    """Refuses the same measurement on two sides: same digest, or prints in common."""
    placed = [(role, one, _prints(one)) for role, found in sides.items() for one in found]
    by_digest: dict[str, tuple[str, CellTest]] = {}
    for role, one, _ in placed:
        other, first = by_digest.setdefault(one.digest, (role, one))
        if other != role:
            raise _leak(role, one, other, first, "has the same content as")
    holders: dict[int, list[int]] = {}
    for index, (_, _, prints) in enumerate(placed):
        for print_ in prints:
            holders.setdefault(print_, []).append(index)
    pairs = {
        (i, j)
        for held in holders.values()
        for i in held
        for j in held
        if i < j and placed[i][0] != placed[j][0]
    }
    for i, j in sorted(pairs):
        share = _shared(placed[i][2], placed[j][2])
        if share > LEAK_SHARE:
            what = f"shares {share:.0%} of its samples with"
            raise _leak(placed[j][0], placed[j][1], placed[i][0], placed[i][1], what)


def _leak(role: str, one: CellTest, other: str, first: CellTest, what: str) -> InputError:
    return InputError(
        role,
        one.test_id,
        f"{what} {first.test_id} in {other}: a model would be scored on what it has seen",
        "keep one of them",
        reason="leak",
    )


def _shared(first: frozenset[int], second: frozenset[int]) -> float:
    least = min(len(first), len(second))
    return len(first & second) / least if least else 0.0


def _prints(test: CellTest) -> frozenset[int]:
    """Hashes of stretches of the voltage, chosen by content: a cut or shifted copy keeps them.

    (Schleimer et al. 2003, "Winnowing".) A stretch that hardly moves tells nothing: left out.
    """
    values = test.columns.get("voltage_v")
    if values is None or len(values) < PRINT_ROWS:
        return frozenset()
    bits = np.round(np.nan_to_num(values) * 1e5).astype(np.int64).astype(np.uint64)
    moved = np.r_[0, np.cumsum(bits[1:] != bits[:-1])]
    with np.errstate(over="ignore"):
        rolled = _rolled(bits * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(7))
    lively = moved[PRINT_ROWS - 1 :] - moved[: len(rolled)] >= PRINT_ROWS // 2
    kept = (rolled >> np.uint64(40)) % np.uint64(PRINT_SHARE) == np.uint64(0)
    return frozenset(rolled[lively & kept].tolist())


def _rolled(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A polynomial hash of every stretch of PRINT_ROWS values, shape (n - PRINT_ROWS + 1,)."""
    size = len(bits) - PRINT_ROWS + 1
    out = np.zeros(size, dtype=np.uint64)
    for k in range(PRINT_ROWS):
        out = out * np.uint64(0xD6E8FEB86659FD93) + bits[k : k + size]
    return out ^ (out >> np.uint64(32))
