"""Ageing is exact in time, monotone, and says where it comes from."""

import dataclasses
import itertools
import math
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.twin import ageing
from evitals.twin.ageing import YEAR_S, Age, Ageing, Knee, models, parse_model

NAMES = st.sampled_from(sorted(models()))
KNEES = st.sampled_from([None, Knee(0.1), Knee(0.02, 8.0, 0.01)])


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile before anyone watches the clock."""
    one = np.ones(1)
    age = Ageing().through(Ageing().after(Age(), 1.0, 20.0, 0.5, 0.0), one, one, one, 0.0)
    Ageing().through_days(age, one[:, None], one[:, None], one[:, None], one, one, one)


@pytest.mark.parametrize("chemistry", ["NMC", "NCA", "LFP"])
def test_a_chemistry_has_one_default_model(chemistry: str) -> None:
    defaults = [m for m in models().values() if m.default and m.chemistry == chemistry]
    assert defaults == [ageing.model(chemistry)]
    assert all(m.source and m.gaps and m.growth_source for m in models().values())


def test_naumann_by_hand() -> None:
    # 2.8575 * 0 + 0.60225 at half charge, sqrt of seconds; (0.063 + 0.0971) * (c * 0.4^3 + d) %
    age = Ageing("lfp-naumann").after(Age(), 4 * YEAR_S, 25.0, 0.5, 400.0, 1.0, 1.0)
    assert age.calendar == pytest.approx(1.2571e-5 * 0.60225 * math.sqrt(4 * YEAR_S), rel=1e-4)
    assert age.cycle == pytest.approx(0.1601 * (4.0253 * 0.064 + 1.0923) * 20.0 / 100.0)
    assert age.growth_calendar == pytest.approx(3.4194e-10 * 1.5604 * 4 * YEAR_S, rel=1e-4)


@settings(deadline=None)
@given(
    NAMES,
    KNEES,
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30),
    st.floats(0.1, 12),
    st.floats(0, 40),
    st.floats(0, 1),
    st.floats(0, 3000),
    st.floats(0.05, 1),
)
def test_however_constant_conditions_are_cut_the_end_is_the_same(
    name: str, knee: Knee | None, cuts: list[float], years: float, degc: float, soc: float,
    efc: float, dod: float,
) -> None:  # fmt: skip
    vehicle = Ageing(name, pace=1.3, growth_pace=0.7, knee=knee)
    start = vehicle.after(Age(), YEAR_S, 25.0, 0.6, 100.0)
    stepped, edges = start, [0.0, *sorted(cuts), 1.0]
    for a, b in itertools.pairwise(edges):
        stepped = vehicle.after(stepped, years * YEAR_S * (b - a), degc, soc, efc * (b - a), dod)
    once = vehicle.after(start, years * YEAR_S, degc, soc, efc, dod)
    assert vehicle.soh(stepped) == pytest.approx(vehicle.soh(once), abs=1e-9)
    assert vehicle.growth(stepped) == pytest.approx(vehicle.growth(once), rel=1e-9)
    assert stepped.efc == pytest.approx(100.0 + efc)


@settings(deadline=None)
@given(NAMES, st.floats(0.1, 6), st.floats(0, 40), st.floats(0, 1), st.floats(0, 1000))
def test_equal_parts_of_a_stretch_are_one_stretch(
    name: str, years: float, degc: float, soc: float, efc: float
) -> None:
    parts = np.array([0.2, 0.5, 0.3])
    through = Ageing(name).through(
        Age(), parts * years * YEAR_S, np.full(3, degc), np.full(3, soc), efc
    )
    once = Ageing(name).after(Age(), years * YEAR_S, degc, soc, efc)
    assert through == pytest.approx(once, rel=1e-9)
    days = Ageing(name).through_days(
        Age(),
        np.outer(parts, parts) * years * YEAR_S,
        np.full((3, 3), degc),
        np.full((3, 3), soc),
        parts * efc,
        np.full(3, 0.5),
        np.full(3, 0.2),
    )
    assert days == pytest.approx(once, rel=1e-9)


@settings(deadline=None)
@given(NAMES, KNEES, st.floats(0, 40), st.floats(0, 1), st.floats(0, 200), st.floats(0.1, 1))
def test_nothing_grows_young(
    name: str, knee: Knee | None, degc: float, soc: float, efc: float, dod: float
) -> None:
    vehicle = Ageing(name, knee=knee)
    age, soh, growth = Age(), vehicle.soh(Age()), vehicle.growth(Age())
    assert soh == pytest.approx(1.0)
    for _ in range(6):
        age = vehicle.after(age, YEAR_S, degc, soc, efc, dod)
        assert vehicle.soh(age) <= soh
        assert vehicle.growth(age) >= growth
        soh, growth = vehicle.soh(age), vehicle.growth(age)


@settings(deadline=None)
@given(NAMES.filter(lambda name: name != "nmc811-lg-m50"), st.floats(0, 35), st.floats(0.1, 0.8))
def test_stored_warmer_or_fuller_ages_faster(name: str, degc: float, soc: float) -> None:
    def loss(degc: float, soc: float) -> float:
        return Ageing(name).loss(Ageing(name).after(Age(), YEAR_S, degc, soc, 0.0))

    assert loss(degc + 5.0, soc) >= loss(degc, soc)
    assert loss(degc, soc + 0.2) >= 0.98 * loss(degc, soc)


def test_an_old_battery_moved_to_the_cold_keeps_what_it_lost() -> None:
    vehicle = Ageing("LFP")
    old = vehicle.after(Age(), 10 * YEAR_S, 45.0, 0.9, 500.0)
    for degc in (-20.0, 0.0, 20.0):
        moved = vehicle.after(old, YEAR_S, degc, 0.3, 10.0)
        assert old.calendar <= moved.calendar < old.calendar + 0.05


def test_pace_multiplies_the_loss_and_growth_its_own() -> None:
    slow, fast = Ageing("NCA"), Ageing("NCA", pace=1.5)
    one, other = (a.after(Age(), 5 * YEAR_S, 20.0, 0.6, 500.0) for a in (slow, fast))
    assert fast.loss(other) == pytest.approx(1.5 * slow.loss(one))
    grown = Ageing("LFP", growth_pace=2.0)
    two = [a.after(Age(), 5 * YEAR_S, 20.0, 0.6, 500.0) for a in (Ageing("LFP"), grown)]
    assert grown.growth(two[1]) - 1 == pytest.approx(2 * (Ageing("LFP").growth(two[0]) - 1))


def test_a_knee_turns_the_fade_steep_and_leaves_the_beginning_alone() -> None:
    knee = Knee(at=0.1, slope=5.0, width=0.002)
    assert knee.bent(0.0) == 0.0
    assert knee.bent(0.05) == pytest.approx(0.05, abs=1e-6)
    assert knee.bent(0.2) == pytest.approx(0.1 + 5 * 0.1, abs=2e-3)
    assert math.isfinite(Knee(0.001, 2.0, 1e-4).bent(1.0))
    for values in ((0.0, 4.0, 0.1), (0.1, 0.5, 0.1), (0.1, 4.0, 0.0)):
        with pytest.raises(InputError, match="knee"):
            Knee(*values)


def test_the_material_of_the_kokam_cell_ends_in_a_knee() -> None:
    vehicle = Ageing("nmc-kokam-75ah")
    age, losses = Age(), []
    for _ in range(12):
        age = vehicle.after(age, 1.0, 25.0, 0.5, 1000.0, 0.8)
        losses.append(vehicle.loss(age))
    steps = np.diff(losses)
    assert steps[:4].max() < 0.03
    assert steps.max() > 0.2
    assert vehicle.growth(age) > 1.5
    assert vehicle.soh(age) >= ageing.LEAST_SOH


def test_paces_are_drawn_a_fifth_wide() -> None:
    rng = np.random.default_rng(3)
    drawn = [Ageing.drawn(rng, "LFP") for _ in range(2000)]
    assert {a.model for a in drawn} == {"LFP"}
    assert np.std(np.log([a.pace for a in drawn])) == pytest.approx(0.2, rel=0.1)
    assert all(0.98 <= a.new_soh <= 1.02 and 0.6 <= a.growth_pace <= 1.4 for a in drawn)


@pytest.mark.parametrize(("seconds", "efc"), [(-1.0, 0.0), (1.0, -1.0), (math.nan, 1.0)])
def test_time_and_charge_do_not_run_backward(seconds: float, efc: float) -> None:
    with pytest.raises(InputError, match="backward"):
        Ageing().after(Age(), seconds, 20.0, 0.5, efc)
    with pytest.raises(InputError, match="backward"):
        Ageing().through(Age(), np.array([seconds]), np.zeros(1), np.zeros(1), efc)
    part = np.array([[seconds]])
    with pytest.raises(InputError, match="backward"):
        Ageing().through_days(Age(), part, part, part, np.array([efc]), np.ones(1), np.ones(1))


def test_bad_models_name_what_is_wrong() -> None:
    with pytest.raises(InputError, match="NMC"):
        Ageing("NMK")
    with pytest.raises(InputError, match="pace"):
        dataclasses.replace(Ageing(), pace=0.0)
    text = (resources.files("evitals.twin") / "data/ageing/nca-panasonic-18650b.toml").read_bytes()
    assert parse_model(text) == ageing.model("NCA")
    for old, new, word in (
        (b'"panasonic"', b'"guess"', "no law"),
        (b"cal_b =", b"cal_z =", "cal_b"),
    ):
        with pytest.raises(InputError, match=word):
            parse_model(text.replace(old, new))
    with pytest.raises(InputError, match=r"docs/twin-ageing\.md"):
        parse_model(b"law = 3")
