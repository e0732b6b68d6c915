"""The witness: estimators against a simulated fleet's truth, small."""

from typing import Any

import numpy as np
import pytest

from evitals.service import witness
from evitals.settings import Settings
from evitals.twin.fleet import Fleet


@pytest.fixture(scope="module")
def reports() -> dict[bool, dict[str, Any]]:
    return {
        rests: witness.score(vehicles=6, days=40, seed=77, rests=rests, workers=1)
        for rests in (True, False)
    }


@pytest.mark.parametrize("rests", [True, False])
def test_health_beats_no_ageing_and_mostly_covers(
    reports: dict[bool, dict[str, Any]], rests: bool
) -> None:
    r = reports[rests]
    assert r["answered"] == 6
    assert r["soh"]["mae"] < 0.05
    assert r["soh"]["mae"] < r["baselines"]["no_ageing"]["mae"]
    assert r["coverage_90"] >= 0.5
    assert 0.02 < r["interval_width_mean"] < 0.15


def test_without_rests_only_the_bms_speaks(reports: dict[bool, dict[str, Any]]) -> None:
    assert reports[False]["baselines"]["ocv_alone"] is None
    assert reports[True]["baselines"]["ocv_alone"]["vehicles"] >= 1
    assert reports[True]["interval_width_mean"] < reports[False]["interval_width_mean"]


def test_a_vehicle_is_judged_alike_alone_and_in_a_fleet() -> None:
    fleet = Fleet(vehicles=6, days=20, seed=77, rests=False, trips_per_day=0.7)
    alone = witness.judge(fleet, 2, Settings())
    seen: list[int] = []
    among = witness.verdicts(
        6, 20, 77, False, trips_per_day=0.7, progress=lambda done: seen.append(done)
    )
    assert among[2] == alone
    assert seen == [1, 2, 3, 4, 5, 6]


def test_errors_are_those_of_the_known_values() -> None:
    truth = np.array([0.9, 0.8, 0.7])
    got = witness.errors([0.95, None, 0.6], truth)
    assert got is not None
    assert got["vehicles"] == 2
    assert got["mae"] == pytest.approx(0.075)
    assert got["bias"] == pytest.approx(-0.025)
    assert witness.errors([None, None, None], truth) is None
