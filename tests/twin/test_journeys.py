"""Random journeys lie among the regulatory cycles, drivable, the same from the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.twin import cycles, journeys
from evitals.twin.journeys import Statistics, Style

URBAN = Style(rural=0.0, motorway=0.0)
MOTORWAY = Style(rural=0.0, motorway=1.0)


def typical(style: Style) -> Statistics:
    """Statistics of 40 journeys of 50 minutes, one after the other."""
    rngs = (np.random.default_rng([4, i]) for i in range(40))
    return journeys.statistics(
        np.concatenate([journeys.draw(rng, style, 3000.0).speed_mps for rng in rngs])
    )


def test_urban_journeys_lie_near_udds() -> None:
    # Bounds are between 0.7 and 1.4 of the cycle's own figure.
    ours, udds = typical(URBAN), journeys.statistics(cycles.cycle("udds").speed_mps)
    assert 0.7 < ours.mean_mps / udds.mean_mps < 1.2
    assert 0.8 < ours.stops_per_km / udds.stops_per_km < 1.4
    assert 0.8 < ours.standstill_share / udds.standstill_share < 1.4
    assert 0.8 < ours.acceleration_p95_mps2 / udds.acceleration_p95_mps2 < 1.4
    assert 0.8 < ours.deceleration_p95_mps2 / udds.deceleration_p95_mps2 < 1.4
    assert 0.8 < ours.pke_mps2 / udds.pke_mps2 < 1.3


def test_mixed_journeys_lie_near_wltc() -> None:
    ours, wltc = typical(Style()), journeys.statistics(cycles.cycle("wltc3b").speed_mps)
    assert 0.8 < ours.mean_mps / wltc.mean_mps < 1.25
    assert 0.8 < ours.acceleration_p95_mps2 / wltc.acceleration_p95_mps2 < 1.5
    assert 0.8 < ours.pke_mps2 / wltc.pke_mps2 < 1.3
    assert ours.stops_per_km < 1.0  # WLTC has 0.34: a dynamometer cycle with few of them


def test_motorway_journeys_lie_between_hwfet_and_us06() -> None:
    ours = typical(MOTORWAY)
    hwfet, us06 = (journeys.statistics(cycles.cycle(name).speed_mps) for name in ("hwfet", "us06"))
    assert hwfet.mean_mps < ours.mean_mps < 1.4 * us06.mean_mps
    assert hwfet.pke_mps2 < ours.pke_mps2 < us06.pke_mps2
    assert hwfet.acceleration_p95_mps2 < ours.acceleration_p95_mps2 < us06.acceleration_p95_mps2
    assert ours.stops_per_km < us06.stops_per_km


def test_drivers_and_traffic_show() -> None:
    calm, sporty = typical(Style(aggressiveness=0.0)), typical(Style(aggressiveness=1.0))
    assert sporty.acceleration_p95_mps2 > 1.5 * calm.acceleration_p95_mps2
    assert sporty.mean_mps > calm.mean_mps
    free, jammed = typical(Style(traffic=0.0)), typical(Style(traffic=1.0))
    assert jammed.stops_per_km > 1.5 * free.stops_per_km
    assert jammed.mean_mps < 0.9 * free.mean_mps


def test_hills_have_the_slope_that_was_asked_for() -> None:
    rngs = (np.random.default_rng([5, i]) for i in range(40))
    slopes = np.concatenate(
        [
            journeys.draw(rng, Style(hills=0.02, rural=1.0, motorway=0.0), 2000.0).grade
            for rng in rngs
        ]
    )
    assert np.sqrt(np.mean(slopes**2)) == pytest.approx(0.02, rel=0.15)
    assert np.abs(slopes).max() <= journeys.STEEPEST
    flat = journeys.draw(np.random.default_rng(1), Style(hills=0.0), 600.0)
    assert not flat.grade.any()


def test_weather_and_payload_are_drawn_as_the_style_says() -> None:
    style = Style(ambient_degc=-5.0, wind_mps=3.0, payload_low_kg=50.0, payload_high_kg=90.0)
    rng = np.random.default_rng(2)
    drawn = [journeys.draw(rng, style, 60.0) for _ in range(400)]
    assert np.mean([j.ambient_degc for j in drawn]) == pytest.approx(-5.0, abs=0.6)
    assert np.std([j.headwind_mps for j in drawn]) == pytest.approx(3.0, rel=0.15)
    payload = [j.payload_kg for j in drawn]
    assert 50.0 <= min(payload) < 53.0
    assert 87.0 < max(payload) <= 90.0


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**63),
    st.floats(30.0, 5000.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_every_journey_can_be_driven_and_is_as_long_as_asked(
    seed: int, seconds: float, motorway: float, aggressiveness: float, traffic: float
) -> None:
    style = Style(
        rural=0.9 * (1.0 - motorway),
        motorway=motorway,
        aggressiveness=aggressiveness,
        traffic=traffic,
    )
    journey = journeys.draw(np.random.default_rng(seed), style, seconds)
    assert cycles.custom_cycle("again", journey.time_s, journey.speed_mps).name == "again"
    assert int(seconds) < journey.time_s.size < seconds + journeys.TAIL_S
    assert journey.speed_mps[0] == journey.speed_mps[-1] == 0.0
    assert np.abs(np.diff(journey.speed_mps)).max() < 4.0
    assert journey.speed_mps.max() < 45.0


def test_the_same_seed_gives_the_same_journey() -> None:
    one, two = (journeys.draw(np.random.default_rng([7, 3]), Style(), 900.0) for _ in range(2))
    assert np.array_equal(one.speed_mps, two.speed_mps)
    assert np.array_equal(one.grade, two.grade)
    assert (one.ambient_degc, one.payload_kg) == (two.ambient_degc, two.payload_kg)


def test_a_cycle_becomes_a_journey() -> None:
    journey = journeys.over(cycles.cycle("udds"), grade=0.01, payload_kg=80.0)
    assert journey.distance_m == cycles.cycle("udds").distance_m
    assert (journey.grade == 0.01).all()


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"aggressiveness": 1.5}, "aggressiveness"),
        ({"traffic": float("nan")}, "traffic"),
        ({"rural": 0.7, "motorway": 0.7}, "motorway"),
        ({"hills": 0.5}, "hills"),
        ({"payload_low_kg": 90.0, "payload_high_kg": 80.0}, "payload_high_kg"),
        ({"ambient_degc": -80.0}, "ambient_degc"),
    ],
)
def test_a_style_that_cannot_be_is_refused_by_field(given_: dict[str, float], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Style(**given_)


@pytest.mark.parametrize("seconds", [0.0, -5.0, float("nan"), 1e9])
def test_a_duration_that_cannot_be_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="duration_s"):
        journeys.draw(np.random.default_rng(1), Style(), seconds)
