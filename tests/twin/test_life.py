"""A cell cycled in the laboratory's way: charge given, heat, fade."""

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin.ageing import Age, Ageing, Knee
from evitals.twin.life import CELL_AH, cycled


@pytest.mark.parametrize("chemistry", ["NMC", "NCA", "LFP"])
def test_a_cycle_is_a_full_one_and_the_cell_warms(chemistry: str) -> None:
    life = cycled(ageing=Ageing(chemistry), cycles=3)
    assert life.discharged_ah[0] == pytest.approx(CELL_AH, rel=0.02)
    assert life.age.efc == pytest.approx(3.0, rel=0.02)
    assert 25.3 < life.temperature_degc.mean() < 40.0


def test_a_hundred_cycles_fade_as_the_model_says() -> None:
    life, vehicle = cycled(cycles=100), Ageing()
    assert np.all(np.diff(life.soh) < 0.0)
    assert np.all(np.diff(life.growth) > 0.0)
    hours = 100 * 2 * 1.25
    mean = vehicle.after(
        Age(), hours * 3600, life.temperature_degc.mean(), 0.55, life.age.efc, 1.0, 1.0
    )
    assert vehicle.loss(life.age) == pytest.approx(vehicle.loss(mean), rel=0.05)


def test_charge_given_falls_with_capacity_and_more_with_resistance() -> None:
    tired = cycled(ageing=Ageing(growth_pace=8.0, pace=2.0), cycles=150)
    given = tired.discharged_ah / tired.discharged_ah[0]
    assert given[-1] < 1.0
    assert given[-1] <= tired.soh[-1] / tired.soh[0] + 1e-3


def test_a_knee_shows_in_the_charge_given() -> None:
    plain = cycled(cycles=200)
    bent = cycled(ageing=Ageing(knee=Knee(0.02, slope=6.0, width=0.002)), cycles=200)
    assert bent.discharged_ah[10] == pytest.approx(plain.discharged_ah[10], rel=0.01)
    assert bent.discharged_ah[-1] < plain.discharged_ah[-1] - 0.05 * CELL_AH


@pytest.mark.parametrize(
    ("field", "value"), [("cycles", 0), ("c_rate", 0.0), ("ambient_degc", 90.0), ("step_s", 0.1)]
)
def test_what_cannot_be_cycled_is_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        cycled(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nmc811"):
        cycled("nmc812-lgm50")
