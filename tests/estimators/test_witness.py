"""The witness: estimators against a simulated fleet's truth, small."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from evitals.service import pulse, witness
from evitals.service.witness import Trial
from evitals.settings import Settings
from evitals.twin import circuit
from evitals.twin.faults import BOUNDS, KINDS

TRIAL = Trial(vehicles=6, days=70, seed=77)


@pytest.fixture(scope="module")
def reports() -> dict[bool, dict[str, Any]]:
    return {
        rests: witness.score(structs.replace(TRIAL, rests=rests), workers=1)
        for rests in (True, False)
    }


@pytest.mark.parametrize("rests", [True, False])
def test_health_beats_no_ageing_and_mostly_covers(
    reports: dict[bool, dict[str, Any]], rests: bool
) -> None:
    for when in ("early", "end"):
        found = reports[rests][when]
        assert found["answered"] == found["vehicles"] >= 4
        assert found["soh"]["mae"] < 0.05
        assert found["soh"]["mae"] < found["baselines"]["no_ageing"]["mae"]
        assert found["coverage_90"] >= 0.5
        assert 0.02 < found["interval_width_mean"] < 0.15
        assert found["power"]["discharge"]["median"] < 0.3
        assert found["power"]["reference"]["vehicles"] >= 4
    assert reports[rests]["end"]["evidence_median"] > reports[rests]["early"]["evidence_median"]


def test_without_rests_only_the_bms_speaks(reports: dict[bool, dict[str, Any]]) -> None:
    assert reports[False]["end"]["baselines"]["ocv_alone"] is None
    assert reports[True]["end"]["baselines"]["ocv_alone"]["vehicles"] >= 1


def test_a_vehicle_is_judged_alike_alone_and_in_a_fleet() -> None:
    trial = Trial(vehicles=3, days=20, seed=77, rests=False)
    alone = witness.judge(trial, Settings(), 2)
    seen: list[int] = []
    among = witness.verdicts(trial, progress=seen.append)
    assert among[2] == alone
    assert seen == [1, 2, 3]
    assert alone.early is None
    assert 0 < alone.fed < witness.FIRST


def test_of_a_long_life_its_first_trips_and_campaigns_are_fed() -> None:
    trial = Trial(vehicles=1, days=400, seed=77)
    verdict = witness.judge(trial, Settings(), 0)
    made = sum(1 for _ in trial.fleet().trips(0))
    windows = (trial.days - witness.FIRST) / witness.EVERY_DAYS
    assert witness.FIRST + (windows - 2) * witness.WINDOW_DAYS / 2 < verdict.fed < 0.5 * made
    assert verdict.early is not None
    assert verdict.end.true_soh < verdict.early.true_soh


def test_every_kind_of_fault_is_tried_and_scored_apart() -> None:
    trial = Trial(vehicles=2 * len(KINDS), days=100, seed=77, faults=True)
    faults = [trial.fault(i) for i in range(trial.vehicles)]
    assert [fault.kind for fault in faults] == [*KINDS, *KINDS]
    for fault in faults:
        low, high, _, _ = BOUNDS[fault.kind]
        assert low <= abs(fault.size) <= high
    assert trial.fleet().faults(3) == (faults[3],)
    two = witness.score(structs.replace(trial, vehicles=2, days=8), workers=1)
    assert set(two["by_fault"]) == set(KINDS[:2])
    assert two["by_fault"]["weak_cell"]["vehicles"] == 1


def test_errors_are_those_of_the_known_values() -> None:
    truth = np.array([0.9, 0.8, 0.7])
    got = witness.errors([0.95, None, 0.6], truth)
    assert got is not None
    assert got["vehicles"] == 2
    assert got["mae"] == pytest.approx(0.075)
    assert got["bias"] == pytest.approx(-0.025)
    assert witness.errors([None, None, None], truth) is None


@pytest.fixture(scope="module")
def pack() -> pulse.Pack:
    (trip,) = islice(TRIAL.fleet().trips(0), 1)
    assert trip.pack is not None
    return trip.pack


@pytest.mark.parametrize("direction", ["discharge", "charge"])
def test_a_pulse_of_the_true_power_is_given_and_a_larger_one_is_not(
    pack: pulse.Pack, direction: pulse.Direction
) -> None:
    before = pack[0].copy()
    found = pulse.power_w(pack, direction)
    assert found > 1000.0
    assert pulse._given(pack, direction, found, 10).min() >= found * (1.0 - 2.0 * pulse.CLOSE)
    assert pulse._given(pack, direction, 1.01 * found, 10).min() < 1.01 * found * (1 - pulse.CLOSE)
    assert np.array_equal(pack[0], before)


def test_a_longer_pulse_an_older_and_a_colder_pack_have_less_power(pack: pulse.Pack) -> None:
    state, p, tables = pack
    now = pulse.reference_w(pack, 0.3, 25.0)
    assert pulse.reference_w(pack, 0.3, 25.0, seconds=60) <= now
    assert pulse.reference_w(pack, 0.15, -15.0) < now
    older = p.copy()
    older[circuit.GROWTH] *= 4.0
    assert pulse.reference_w((state, older, tables), 0.3, 0.0) < pulse.reference_w(pack, 0.3, 0.0)


def test_an_empty_pack_gives_nothing(pack: pulse.Pack) -> None:
    assert pulse.reference_w(pack, 0.0, 25.0) == pytest.approx(0.0, abs=1.0)
