from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evitals.errors import InputError
from evitals.models.config import Data
from evitals.models.cycles import load_sides, load_tests
from tests.models import drives

Change = Callable[[pl.DataFrame], pl.DataFrame]


def rewritten(folder: Path, name: str, change: Change) -> None:
    path = folder / f"{name}.csv"
    change(pl.read_csv(path)).write_csv(path)


def test_files_become_sides_by_profile(tmp_path: Path) -> None:
    sides = load_sides(drives.config(drives.four(tmp_path)))
    assert [c.test_id for c in sides.train] == ["0degC_A", "0degC_B", "25degC_A", "25degC_B"]
    assert {c.profile for c in sides.validate} == {"C"}
    assert [c.ambient_degc for c in sides.test] == [0.0, 25.0]
    cycle = sides.train[0]
    assert len({c.digest for c in (*sides.train, *sides.validate, *sides.test)}) == 8
    np.testing.assert_allclose(cycle.columns["soc"], drives.drive("A", 0.0).columns["soc"])
    assert cycle.dt_s[0] == 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop("temperature_degc"), "temperature_degc"),
        (lambda t: t.with_columns(pl.col("soc").replace(1.0, None)), "soc"),
        (lambda t: t.head(30), "shorter than"),
        (lambda t: t[::2], "has not one sample every 1 s"),
        (lambda t: pl.concat([t, t]), "has not one sample every 1 s"),
        (lambda t: t.drop("time_s"), "time_s"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, change: Change, words: str) -> None:
    folder = drives.four(tmp_path)
    rewritten(folder, "25degC_B", change)
    with pytest.raises(InputError) as caught:
        load_sides(drives.config(folder))
    assert "25degC_B" in str(caught.value)
    assert words in str(caught.value)


def test_a_few_lost_samples_never_were(tmp_path: Path) -> None:
    folder = drives.four(tmp_path)
    rewritten(folder, "25degC_B", lambda t: pl.concat([t[:99], t[101:]]))
    cycle = load_sides(drives.config(folder)).train[3]
    assert (cycle.test_id, len(cycle)) == ("25degC_B", 598)
    np.testing.assert_allclose(cycle.dt_s[1:], 1.0)
    rewritten(folder, "25degC_B", lambda t: t[::1].filter(pl.col("time_s") % 50 != 7))
    with pytest.raises(InputError, match="has not one sample every 1 s"):
        load_sides(drives.config(folder))


def test_an_absent_profile_or_folder_is_named(tmp_path: Path) -> None:
    folder = drives.four(tmp_path)
    with pytest.raises(InputError, match="DD"):
        load_sides(drives.config(folder, split={"test": ["DD"]}))
    with pytest.raises(InputError, match=r"holds no \.csv or"):
        load_sides(drives.config(tmp_path / "empty"))
    with pytest.raises(InputError, match="holds no lg_18650hg2"):
        load_tests(Data(set="lg_18650hg2", folder=str(tmp_path)), ["UDDS"])


def test_one_measurement_on_two_sides_is_refused(tmp_path: Path) -> None:
    folder = drives.four(tmp_path)
    (folder / "25degC_D.csv").write_bytes((folder / "25degC_A.csv").read_bytes())
    with pytest.raises(InputError, match="scored on what it has seen"):
        load_sides(drives.config(folder))


def test_different_rates_need_resampling(tmp_path: Path) -> None:
    folder = drives.four(tmp_path)
    rewritten(folder, "25degC_B", lambda t: t[::2])
    raw = {"step_s": "as recorded"}
    with pytest.raises(InputError, match="25degC_B"):
        load_sides(drives.config(folder, data=raw))
    asked = drives.config(folder, data=raw, recipe={"resample": {"step_s": 4.0}})
    sides = load_sides(asked)
    assert asked.step_s == 4.0
    assert {float(step) for c in sides.train for step in c.dt_s} == {0.0, 4.0}


def test_copies_with_sensor_errors_are_of_training_cycles_only(tmp_path: Path) -> None:
    noise = {"disturb": [{"type": "noise", "column": "soc", "sigma": 0.01}]}
    asked = drives.config(drives.four(tmp_path), recipe=noise, training={"copies": 2})
    sides = load_sides(asked)
    assert [len(side) for side in (sides.train, sides.validate, sides.test)] == [12, 2, 2]
    assert {c.copy for c in sides.train} == {0, 1, 2}


@pytest.mark.data
def test_lg_cycles_come_a_row_a_second(public_data: Path) -> None:
    data = Data(set="lg_18650hg2", folder=str(public_data))
    tests = load_tests(data, ["Mixed1", "Mixed8"])
    assert {t.ambient_degc for t in tests} == {-20.0, -10.0, 0.0, 10.0, 25.0, 40.0}
    assert all(np.allclose(np.diff(t.columns["time_s"]), 1.0) for t in tests)
