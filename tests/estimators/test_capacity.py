"""Capacity evidence: right where it can be, refused by name where it cannot."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from evitals.estimators import capacity
from evitals.estimators.capacity import REASONS, Measurement, bms_soc
from evitals.estimators.rests import TABLE_NODES, RestChain

from .made_up import Columns, drive, drive_columns, known, outing, pack, rest, segment

PACK = pack()


def told(made: Measurement | None) -> Measurement:
    assert made is not None
    return made


def test_a_drive_gives_the_capacity_its_soc_counts_on() -> None:
    e = bms_soc(drive(PACK), PACK).evidence
    assert e.refused == ""
    assert e.method == "bms_soc"
    assert e.capacity_ah == pytest.approx(54.0, rel=0.01)
    assert abs(known(e.capacity_ah) - 54.0) < 2 * known(e.sigma_ah)
    assert known(e.delta_soc) < 0 > known(e.charge_ah)


def test_a_charge_gives_it_as_well() -> None:
    e = bms_soc(drive(PACK, soc=0.2, current=45.0), PACK).evidence
    assert e.capacity_ah == pytest.approx(54.0, rel=0.01)


@pytest.mark.parametrize("dt", [0.1, 1.0, 10.0, 30.0])
def test_any_sampling_is_taken_and_coarse_one_is_trusted_less(dt: float) -> None:
    made = bms_soc(drive(PACK, dt=dt, seconds=3000), PACK)
    assert made.evidence.capacity_ah == pytest.approx(54.0, rel=0.02)
    assert made.sigma >= bms_soc(drive(PACK, dt=0.1, seconds=3000), PACK).sigma


def test_coarse_soc_is_trusted_less_and_needs_more_change() -> None:
    coarse = pack(sensors=type(PACK.sensors)(soc_resolution=0.01))
    fine = pack(sensors=type(PACK.sensors)(soc_resolution=0.001))
    sigma = [
        bms_soc(drive(b, step=b.sensors.soc_resolution, seconds=3000), b).sigma
        for b in (fine, coarse)
    ]
    assert sigma[0] < sigma[1]
    assert bms_soc(drive(fine, step=0.001, seconds=300), fine).evidence.refused == ""
    few = drive(coarse, step=0.01, seconds=300)
    assert bms_soc(few, coarse).evidence.refused == "low_delta_soc"


def with_(columns: Columns, **changes: NDArray[np.float64]) -> Columns:
    return columns | changes


def jump(c: Columns) -> Columns:
    return with_(c, soc=c["soc"] - np.where(c["time_s"] > 700, 0.06, 0.0))


def not_following(c: Columns) -> Columns:
    return with_(c, current_a=np.where(c["time_s"] < 250, -180.0, c["current_a"]))


def flipped(c: Columns) -> Columns:
    return with_(c, current_a=-c["current_a"])


def hole(c: Columns) -> Columns:
    keep = (c["time_s"] < 500) | (c["time_s"] > 900)
    return {name: values[keep] for name, values in c.items()}


def no_soc(c: Columns) -> Columns:
    return {name: values for name, values in c.items() if name != "soc"}


def no_current(c: Columns) -> Columns:
    return {name: values for name, values in c.items() if name != "current_a"}


def patchy(c: Columns) -> Columns:
    current = c["current_a"].copy()
    current[::10] = np.nan
    return with_(c, current_a=current)


def cold(c: Columns) -> Columns:
    return with_(c, temperature_degc=np.full(c["time_s"].size, -18.0))


def too_small(c: Columns) -> Columns:
    return with_(c, soc=0.8 + 5 * (c["soc"] - 0.8) / 1.0)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (jump, "soc_jump"),
        (not_following, "soc_inconsistent"),
        (flipped, "sign_flip"),
        (hole, "gap"),
        (no_soc, "no_soc"),
        (no_current, "no_current"),
        (patchy, "missing_current"),
        (cold, "cold"),
    ],
)
def test_refusals_are_named(harm: Callable[[Columns], Columns], reason: str) -> None:
    e = bms_soc(segment(harm(drive_columns()), PACK), PACK).evidence
    assert e.refused == reason
    assert e.capacity_ah is None
    assert reason in REASONS


def test_a_capacity_that_cannot_be_is_refused() -> None:
    e = bms_soc(drive(PACK, capacity=16.0, seconds=600), PACK).evidence
    assert e.refused == "implausible_capacity"


@pytest.mark.parametrize("code", capacity.REFUSING)
def test_what_the_doctor_found_refuses_under_its_name(code: str) -> None:
    e = bms_soc(drive(PACK, findings=(code, "gap_in_something_else")), PACK).evidence
    assert e.refused == code
    assert code in REASONS


def test_sentinels_are_named_where_they_took_the_current() -> None:
    s = segment(patchy(drive_columns()), PACK, findings=("sentinel",))
    assert bms_soc(s, PACK).evidence.refused == "sentinel"
    assert bms_soc(drive(PACK, findings=("sentinel",)), PACK).evidence.refused == ""


def test_two_rests_give_the_capacity_that_the_bms_does_not_know() -> None:
    chain = RestChain(PACK)
    first, trip, last = outing(PACK, 0, true_capacity=50.0, believed=54.0)
    assert chain.step(first) is None
    assert chain.step(trip) is None
    made = told(chain.step(last))
    assert made.evidence.method == "ocv"
    assert made.evidence.refused == ""
    assert made.evidence.capacity_ah == pytest.approx(50.0, rel=0.02)
    assert len(made.table) == len(TABLE_NODES)
    assert known(made.evidence.sigma_ah) > 50.0 * made.sigma
    assert made.offset_per_a < 0.0  # a drive: charge is negative, a positive offset shrinks it


def test_a_drive_without_rests_is_refused_for_ocv() -> None:
    made = told(RestChain(PACK).step(drive(PACK)))
    assert made.evidence.refused == "no_rest"
    assert made.evidence.method == "ocv"


def test_rests_of_different_recordings_make_no_pair() -> None:
    chain = RestChain(PACK)
    first, trip, _ = outing(PACK, 0)
    chain.step(first)
    chain.step(trip)
    alone = rest(PACK, 0.5, 1, continues=False)
    assert chain.step(alone) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"seconds": 900}, "no_rest"), ({"drift_v": 8.0}, "no_rest"), ({"degc": -5.0}, "cold")],
)
def test_a_rest_that_tells_nothing_is_refused(changes: dict[str, float], reason: str) -> None:
    chain = RestChain(PACK)
    first, trip, _ = outing(PACK, 0)
    chain.step(first)
    chain.step(trip)
    made = told(chain.step(rest(PACK, 0.4, 0.2, continues=True, **changes)))
    assert made.evidence.refused == reason


def test_a_table_that_is_another_cells_is_noticed() -> None:
    chain = RestChain(PACK)
    first, trip, _ = outing(PACK, 0)
    chain.step(first)
    chain.step(trip)
    high = rest(PACK, 0.75, 0.2, continues=True, reported=0.5)
    assert told(chain.step(high)).evidence.refused == "table_unfit"


def test_little_change_between_rests_is_refused() -> None:
    chain = RestChain(PACK)
    made = told([chain.step(s) for s in outing(PACK, 0, seconds=300)][-1])
    assert made.evidence.refused == "low_delta_soc"
    assert known(made.evidence.charge_ah) < 0.0


def test_lost_charge_breaks_the_chain() -> None:
    chain = RestChain(PACK)
    first, _, last = outing(PACK, 0)
    chain.step(first)
    holed = segment(hole(drive_columns()), PACK, day=0.1, continues=True)
    assert told(chain.step(holed)).evidence.refused == "gap"
    after = chain.step(last)
    assert after is None


def test_chemistry_without_tables_is_named() -> None:
    lfp = pack("LFP")
    assert told(RestChain(lfp).step(drive(lfp))).evidence.refused == "unsupported_chemistry"
    assert bms_soc(drive(lfp), lfp).evidence.refused == ""


def test_chain_resumes_from_its_state() -> None:
    first, trip, last = outing(PACK, 0)
    one, two = RestChain(PACK), RestChain(PACK)
    for s in (first, trip):
        one.step(s)
    two.restore(one.state())
    assert two.step(last) == one.step(last)
    with pytest.raises(ValueError, match="rest chain"):
        two.restore({"anchor": None})
