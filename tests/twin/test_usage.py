"""Days of a vehicle: distance, energy and what the battery goes through."""

import math

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin import usage, vehicle
from evitals.twin.usage import Habit, Taken, Usage


def mild(hour: float) -> float:
    return 15.0 + 4.0 * math.cos(2.0 * math.pi * (hour - 15.0) / 24.0)


def lived(habit: Habit, days: int = 7, name: str = "renault-zoe-ze50", degc: float = 0.0) -> Taken:
    someone, taken = Usage(vehicle.vehicle(name), habit), Taken([])
    someone.begin(habit.charge_to, 15.0 + degc)
    rng = np.random.default_rng(3)
    for _ in range(days):
        someone.day(taken, lambda hour: mild(hour) + degc, rng)
    return taken


def test_days_are_whole_and_about_as_far_as_wished() -> None:
    taken = lived(Habit(trips=2, trip_km=25.0), days=60)
    assert sum(s for s, _, _ in taken.stretches) == pytest.approx(60 * 86_400.0)
    assert taken.km == pytest.approx(3000.0, rel=0.12)
    assert taken.short_km == 0.0
    assert 0.1 < taken.driven_kwh / taken.km < 0.25
    assert all(0.0 <= soc <= 1.0 and -5.0 < degc < 40.0 for _, degc, soc in taken.stretches)


def test_what_is_driven_is_charged_and_more() -> None:
    taken = lived(Habit(charge_below=1.0), days=10)
    assert 1.1 < taken.ac_kwh / taken.driven_kwh < 1.5
    assert taken.dc_kwh == 0.0
    battery = vehicle.battery_of(vehicle.vehicle("renault-zoe-ze50"))
    cycles = taken.moved_ah / 2.0 / battery.reference_capacity_ah
    assert 1.0 < cycles / taken.soc_driven < 2.0


def test_fast_charging_is_by_direct_current() -> None:
    taken = lived(Habit(dc_share=1.0, charge_below=0.6), days=14)
    assert taken.ac_kwh == 0.0
    assert taken.dc_kwh > 0.9 * taken.driven_kwh


def test_timed_charging_leaves_the_battery_emptier() -> None:
    def mean_soc(*, timed: bool) -> float:
        stretches = np.array(lived(Habit(timed=timed, charge_below=1.0), days=14).stretches)
        return float(np.average(stretches[:, 2], weights=stretches[:, 0]))

    assert mean_soc(timed=True) < mean_soc(timed=False) - 0.02


def test_cold_takes_more_and_too_much_cannot_be_driven() -> None:
    warm, cold = lived(Habit()), lived(Habit(), degc=-20.0)
    assert cold.driven_kwh / cold.km > 1.3 * warm.driven_kwh / warm.km
    far = lived(Habit(trips=1, trip_km=260.0), name="bmw-i3-60ah", degc=-10.0)
    assert far.short_km > 100.0
    assert far.km > 100.0


@pytest.mark.parametrize("chemistry", ["NCA", "LFP"])
def test_other_cells_hold_the_same_energy(chemistry: str) -> None:
    from evitals.twin import cell
    from evitals.twin.ageing import USUAL_CELL

    car = vehicle.vehicle("renault-zoe-ze50")
    other = usage.with_chemistry(car, chemistry, USUAL_CELL[chemistry])

    def kwh(of: vehicle.TwinVehicle) -> float:
        battery = vehicle.battery_of(of)
        volts = float(np.mean(cell.ocv_table(of.cell)))
        return volts * battery.series * battery.reference_capacity_ah / 1000.0

    assert vehicle.battery_of(other).chemistry == chemistry
    assert kwh(other) == pytest.approx(kwh(car), rel=1e-6)


def test_a_payload_beyond_the_car_is_refused() -> None:
    with pytest.raises(InputError, match="payload_kg"):
        Usage(vehicle.vehicle("bmw-i3-60ah"), Habit(payload_kg=5000.0))


def test_styles_differ_in_speed() -> None:
    from evitals.twin.scenario import STYLES

    speeds = {name: usage.mean_speed_mps(style) for name, style in STYLES.items()}
    assert speeds["city"] < speeds["mixed"] < speeds["motorway"]
    assert 4.0 < speeds["city"] < 12.0
    assert 15.0 < speeds["motorway"] < 33.0
