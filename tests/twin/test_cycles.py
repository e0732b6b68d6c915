"""Cycles: the regulatory ones have their published lengths, bad ones are refused."""

from pathlib import Path

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin import cycles


@pytest.mark.parametrize(
    ("name", "km", "seconds", "top_mps"),
    [
        ("udds", 11.99, 1369, 25.35),
        ("hwfet", 16.51, 765, 26.78),
        ("us06", 12.89, 600, 35.90),
        ("wltc3b", 23.266, 1800, 36.47),
    ],
)
def test_regulatory_cycles_have_their_published_length(
    name: str, km: float, seconds: float, top_mps: float
) -> None:
    cycle = cycles.cycle(name)
    assert cycle.distance_m / 1000.0 == pytest.approx(km, abs=0.01)
    assert cycle.time_s[-1] == seconds
    assert cycle.speed_mps.max() == pytest.approx(top_mps, abs=0.01)
    assert cycle.speed_mps[0] == cycle.speed_mps[-1] == 0.0


def test_an_unknown_cycle_names_the_nearest() -> None:
    with pytest.raises(InputError, match="udds"):
        cycles.cycle("uddz")


@pytest.mark.parametrize(
    ("time", "speed", "word"),
    [
        ([0, 1, 1], [0, 1, 2], "time_s: 1.0 in row 3 repeats"),
        ([0, 2, 1], [0, 1, 2], "time_s: 1.0 in row 3 goes back"),
        ([0, 1, 500], [0, 1, 2], "time_s: 500.0 in row 3 comes 499 s after"),
        ([0, 1, 2], [0, -3, 2], "speed_mps: -3.0 in row 2"),
        ([0, 1, 2], [0, 300, 2], "speed_mps: 300.0 in row 2"),
        ([0, 1, 2], [0, np.nan, 2], "speed_mps: 'NaN' in row 2 is not finite"),
        ([0, np.inf, 2], [0, 1, 2], "time_s: 'NaN' in row 2 is not finite"),
        ([0, 1], [0, 1, 2], "does not match"),
    ],
)
def test_a_cycle_that_cannot_be_driven_is_refused(
    time: list[float], speed: list[float], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        cycles.custom_cycle("own", np.array(time, float), np.array(speed, float))


@pytest.mark.parametrize(
    ("text", "top_mps", "seconds"),
    [
        ("time_s,speed_mps\n0,0\n1,2\n3,4\n", 4.0, 3.0),
        ("# mine\nspeed_kmh\n0\n36\n0\n", 10.0, 2.0),
        ("\ufeffspeed_mps,time_s,note\n0,5,a\n1,6,b\n", 1.0, 1.0),
    ],
)
def test_a_cycle_of_ones_own_is_read(
    tmp_path: Path, text: str, top_mps: float, seconds: float
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, "utf-8")
    cycle = cycles.cycle_from(str(path))
    assert (cycle.name, cycle.speed_mps.max(), cycle.time_s[-1]) == ("mine", top_mps, seconds)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "speed_mps"),
        ("time_s,v\n0,0\n", "speed_mps"),
        ("time_s,speed_mps\n0,0\n1,fast\n", "'fast' in row 2"),
        ("time_s,speed_mps\n0,0\n1\n", "row 2"),
        ("time_s,speed_mps\n0,0\n1,1\n1,2\n", "row 3 repeats"),
        ("time_s,speed_mps\n0,0\n1,1\n90,2\n", "row 3 comes 89 s"),
        ("speed_mps\n1\n", "time_s: 1 rows are no cycle"),
    ],
)
def test_a_bad_cycle_file_names_the_row(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=word):
        cycles.cycle_from(str(path))


def test_a_missing_or_binary_cycle_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        cycles.cycle_from(str(tmp_path / "none.csv"))
    (tmp_path / "bin.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot be read"):
        cycles.cycle_from(str(tmp_path / "bin.csv"))
