"""The whole drive cycles a model is trained and scored on: read, split by group, made ready.

A cycle is never cut into rows that are shuffled between the sides.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evitals.cells.measurements import CAMPAIGNS, drive_tests
from evitals.errors import InputError
from evitals.models.config import Config, Data
from evitals.models.prepared import Prepared, Record, prepare, prepare_all
from evitals.models.recipe import Recipe
from evitals.models.split import choose
from evitals.telemetry.celltest import CellTest

Array = NDArray[np.float64]

EVEN = 0.1
"""Steps within this share of the median are one sampling rate."""
SNAP = 0.7
"""How far a step may be from the grid's, as a share of it."""
LOST_SHARE = 0.005
"""So many samples may be lost: their steps are left out."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One prepared stretch of one test. ``columns``: name to array (n,), in signals' units;
    ``dt_s`` (n,): time since the sample before, 0 at the first. ``copy`` 0 is as measured."""

    test_id: str
    profile: str
    ambient_degc: float
    dt_s: Array
    columns: Mapping[str, Array]
    digest: str = ""
    copy: int = 0

    def __len__(self) -> int:
        return len(self.dt_s)

    def timed(self) -> dict[str, Array]:
        """The columns with ``time_s`` beside them, as a program runs over them."""
        return {**self.columns, "time_s": np.cumsum(self.dt_s)}


@dataclass(frozen=True, slots=True)
class Sides:
    """The cycles of each side, and the record that makes the same again."""

    train: tuple[Cycle, ...]
    validate: tuple[Cycle, ...]
    test: tuple[Cycle, ...]
    record: Record


def load_sides(config: Config) -> Sides:
    """The cycles the configuration asks for, a side each.

    Raises InputError where a folder, group or column is absent or cannot be used, where two sides
    share a measurement, and where tests differ in rate and the recipe does not resample.
    """
    split = config.split
    groups = {*split.train, *split.validate, *split.test}
    tests = load_tests(config.data, groups if split.by == "profile" else None)
    chosen = choose(
        tests, split.by, training=split.train, validation=split.validate, test=split.test
    )
    made = prepare_all(config.recipe, tests, chosen, config.training.copies)
    train, validate, test = (
        tuple(_cycle(one) for one in side) for side in (made.training, made.validation, made.test)
    )
    return Sides(train, validate, test, made.record)


def load_scored(recipe: Recipe, tests: Iterable[CellTest]) -> list[Cycle]:
    """Tests made ready to be scored, as measured. Raises InputError as ``load_sides`` does."""
    return [_cycle(one) for test in tests for one in prepare(recipe, test, "test")[0]]


def load_tests(data: Data, profiles: Iterable[str] | None = None) -> list[CellTest]:
    """The tests of the data (of these profiles), in order of their id, on the data's step.

    Raises InputError where there is none, or the samples do not come at that step.
    """
    tests = _files(data) if data.set == "files" else _campaign(data, profiles)
    if profiles is not None and data.set == "files":
        wanted = frozenset(profiles)
        # Without any of them all stay: the split names the nearest profile there is.
        tests = [one for one in tests if one.profile in wanted] or tests
    return [_on_step(one, data) for one in tests]


def _campaign(data: Data, profiles: Iterable[str] | None) -> list[CellTest]:
    folder = Path(data.folder or os.environ.get("EVITALS_DATA", "."))
    campaign = next(c for c in CAMPAIGNS.values() if c.folder == data.set)
    if not (folder / data.set / campaign.drives).is_file():
        raise InputError(
            "data.folder",
            str(folder),
            f"holds no {data.set}/{campaign.drives}",
            "give the folder above it, or set EVITALS_DATA",
        )
    known = campaign.fit_profiles | campaign.validation_profiles
    wanted = known if profiles is None else frozenset(profiles)
    names = ("time_s", "soc", "current_a", "temperature_degc", "voltage_v")
    sampling = "decimated" if data.set == "lg_18650hg2" else "averaged"
    found = [
        CellTest(
            test.test_id,
            campaign.cell,
            test.profile,
            {name: getattr(test, name) for name in names},
            test.ambient_degc,
            campaign.source,
            sampling,
        )
        for test in drive_tests(campaign, folder, wanted)
    ]
    if not found:
        raise InputError(
            "split", sorted(wanted), f"are no profiles of {data.set}", f"known: {sorted(known)}"
        )
    return found


def _files(data: Data) -> list[CellTest]:
    folder = Path(data.folder)
    files = sorted(p for p in folder.glob("*") if p.suffix in (".csv", ".parquet"))
    if not files:
        raise InputError(
            "data.folder", str(folder), "holds no .csv or .parquet file", "give another folder"
        )
    return [_of_file(path) for path in files]


def _of_file(path: Path) -> CellTest:
    """A file is a test; its profile is the last part of its name: ``25degC_UDDS.csv``."""
    try:
        table = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(path.name, str(error), "cannot be read", "export it again") from error
    columns: dict[str, Array] = {}
    for name in table.columns:
        if table[name].dtype.is_numeric():
            columns[name] = table[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
    degc = columns.get("temperature_degc", np.zeros(0))
    degc = degc[np.isfinite(degc)]
    ambient = float(5.0 * np.round(np.median(degc) / 5.0)) if len(degc) else None
    profile = path.stem.rpartition("_")[2]
    return CellTest(path.stem, path.parent.name, profile, columns, ambient, "own files", "recorded")


def _on_step(test: CellTest, data: Data) -> CellTest:
    """The test with stamps on the grid where it has one sample in every step, but for a few lost
    ones, which then never were (as a recurrent network takes them on the BMS).

    Raises InputError naming the test where it has not.
    """
    time_s = test.columns["time_s"]
    step_s = data.grid_s
    if step_s is None or len(time_s) < 2:
        return test
    steps = np.diff(time_s)
    usual = float(np.median(steps))
    stray = int((np.abs(steps - step_s) > SNAP * step_s).sum())
    drift = abs(float(time_s[-1] - time_s[0]) - step_s * len(steps))
    few = LOST_SHARE * len(steps) + SNAP
    if not (abs(usual - step_s) <= EVEN * step_s and stray <= few and drift <= few * step_s):
        raise InputError(
            "time_s",
            test.test_id,
            f"(usually {usual:.4g} s apart) has not one sample every {step_s:g} s",
            'set data.step_s to its step, or to "as recorded" and resample in the recipe',
            reason="uneven_steps",
        )
    grid = time_s[0] + step_s * np.arange(len(time_s))
    return replace(test, columns={**test.columns, "time_s": grid}, digest="")


def _cycle(one: Prepared) -> Cycle:
    ambient = np.nan if one.ambient_degc is None else one.ambient_degc
    columns = {name: values for name, values in one.columns.items() if name != "time_s"}
    return Cycle(one.test_id, one.profile, ambient, one.dt_s, columns, one.digest, one.copy)
