"""The twin against the BMW i3's drives: the tools on made-up drives, the score on real ones."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from benchmarks import i3_fit, i3_twin, twin_on_i3_trips
from benchmarks.i3_drives import VEHICLE, Drive, between, drives, grade
from evitals.twin import cell
from evitals.twin.vehicle import TwinVehicle, vehicle

CAPACITY_AH = i3_fit.CAPACITY_AH


def made_up(
    seed: int = 0,
    degc: float = 22.0,
    month: int = 7,
    parked_s: float | None = None,
    rise_m: float = 0.0,
) -> Drive:
    """Half an hour of stop and go with nothing recorded of the battery yet."""
    rng = np.random.default_rng(seed)
    time = np.arange(1800.0)
    pace = np.interp(time, np.arange(0.0, 1801.0, 60.0), rng.uniform(0.0, 28.0, 31))
    speed = np.maximum(pace - 3.0, 0.0)
    metres = np.cumsum(speed)
    zeros = np.zeros(time.size)
    return Drive(
        name=f"made up {seed}",
        start=datetime(2019, month, 1, 10, tzinfo=UTC),
        time_s=time,
        speed_mps=speed,
        elevation_m=500.0 + rise_m * metres / metres[-1],
        ambient_degc=degc,
        soc_start=0.8,
        degc_start=degc,
        parked_s=parked_s,
        current_a=zeros,
        voltage_v=zeros,
        degc=np.full(time.size, degc),
        soc=np.full(time.size, 0.8),
        cooler_w=zeros,
        heater_w=zeros,
        findings=(),
    )


def recorded(drive: Drive, car: TwinVehicle, payload_kg: float = 150.0) -> Drive:
    """A drive as if this twin had been recorded on it."""
    run = i3_twin.run(drive, car, payload_kg, CAPACITY_AH)
    trace = run.trace
    return replace(
        drive,
        current_a=trace.current_a,
        voltage_v=trace.voltage_v,
        degc=trace.temperature_degc,
        soc=trace.soc,
        cooler_w=run.cabin_w,
    )


def test_the_height_gained_stays_however_elevation_is_smoothed() -> None:
    drive = made_up(rise_m=60.0)
    climbed = float(np.sum(grade(drive)[1:] * drive.speed_mps[1:] * np.diff(drive.time_s)))
    assert climbed == pytest.approx(60.0, abs=1.5)
    assert np.abs(grade(made_up())).max() == 0.0


def test_elevation_that_changes_while_standing_makes_no_cliff() -> None:
    drive = made_up()
    drive.elevation_m[900:] += 10.0
    assert np.abs(grade(drive)).max() <= 10.0 / 500.0 + 1e-9


def test_speed_is_taken_between_the_seconds() -> None:
    drive = made_up()
    middle = 0.5 * (drive.speed_mps[1:] + drive.speed_mps[:-1])
    np.testing.assert_allclose(between(drive)[:-1], middle)


def test_recorded_power_never_reaches_the_twin() -> None:
    car, plain = vehicle(VEHICLE), made_up()
    loud = replace(
        plain,
        current_a=plain.current_a - 300.0,
        voltage_v=plain.voltage_v + 350.0,
        degc=plain.degc + 9.0,
        soc=plain.soc * 0.5,
        cooler_w=plain.cooler_w + 2000.0,
        heater_w=plain.heater_w + 5000.0,
    )
    one, other = (i3_twin.run(d, car, 150.0, CAPACITY_AH) for d in (plain, loud))
    np.testing.assert_array_equal(one.trace.voltage_v, other.trace.voltage_v)


def test_winter_takes_more_and_a_warm_car_less() -> None:
    car = vehicle(VEHICLE)
    mild = i3_twin.run(made_up(degc=21.0), car, 0.0, CAPACITY_AH)
    cold = i3_twin.run(made_up(degc=0.0, month=1), car, 0.0, CAPACITY_AH)
    warm = i3_twin.run(made_up(degc=0.0, month=1, parked_s=300.0), car, 0.0, CAPACITY_AH)
    assert cold.energy_kwh > warm.energy_kwh > mild.energy_kwh
    assert cold.cabin_w.max() <= car.cabin.heater_max_w + car.cabin.blower_w
    assert i3_twin.rolling(made_up(month=1)) > i3_twin.rolling(made_up(month=7)) == 1.0


def test_the_road_fit_finds_what_was_driven() -> None:
    car = vehicle(VEHICLE)
    truth = {
        "payload_kg": 130.0,
        "rolling_resistance": 0.0085,
        "drag_area_m2": 0.65,
        "transmission_efficiency": 0.93,
        "auxiliary_power_w": 390.0,
    }
    other = i3_fit.with_road(car, truth)
    seen = [recorded(made_up(seed), other, truth["payload_kg"]) for seed in range(4)]
    fitted = i3_fit.fit_road(seen, car)
    for drive in seen:
        tried = i3_fit.with_road(car, fitted.value)
        always = tried.auxiliary_power_w + drive.cooler_w
        watts = i3_twin.asked_w(drive, tried, fitted.value["payload_kg"], always)
        assert watts.sum() == pytest.approx(drive.power_w.sum(), rel=0.01)
    for name, value in truth.items():
        assert abs(fitted.value[name] - value) < 3.0 * i3_fit.ROAD[name][1]


def test_the_heat_fit_finds_the_time_constant() -> None:
    car = structs.replace(vehicle(VEHICLE), pack_heat_j_per_k=240e3, pack_passive_w_per_k=14.0)
    seen = []
    for seed, (start, air) in enumerate([(-5.0, 29.0), (29.0, -5.0), (10.0, 20.0)] * 2):
        drive = replace(made_up(seed, degc=air), degc_start=start, degc=np.full(1800, start))
        seen.append(recorded(drive, car))
    reference_ah = 60.0
    _, knots, rms_v = i3_fit.fit_cell(seen, reference_ah)
    assert rms_v < 0.01
    fitted = i3_fit.fit_heat(seen, knots)
    # Gentle drives make little heat of their own: they tell the time constant, the prior the size.
    heat, passive = fitted.value["heat_j_per_k"], fitted.value["passive_w_per_k"]
    assert passive / heat == pytest.approx(14.0 / 240e3, rel=0.04)
    assert heat == pytest.approx(240e3, rel=0.2)


@pytest.fixture(scope="module")
def summer(public_data: Path) -> list[Drive]:
    return drives(public_data, "A")


@pytest.mark.data
def test_what_ships_is_what_the_summer_drives_say(summer: list[Drive]) -> None:
    car = vehicle(VEHICLE)
    refitted, report = twin_on_i3_trips.refit(summer, car)
    assert refitted.rolling_resistance == pytest.approx(car.rolling_resistance, rel=0.01)
    assert refitted.drag_coefficient == pytest.approx(car.drag_coefficient, rel=0.01)
    assert refitted.transmission_efficiency == pytest.approx(car.transmission_efficiency, rel=0.01)
    assert refitted.auxiliary_power_w == pytest.approx(car.auxiliary_power_w, rel=0.01)
    payload = report["road"]["payload_kg"]["value"]
    assert payload == pytest.approx(twin_on_i3_trips.PAYLOAD_KG, rel=0.02)
    assert car.pack_heat_j_per_k is not None
    assert car.pack_passive_w_per_k is not None
    heat = report["heat"]
    assert heat["heat_j_per_k"]["value"] == pytest.approx(car.pack_heat_j_per_k, rel=0.03)
    assert heat["passive_w_per_k"]["value"] == pytest.approx(car.pack_passive_w_per_k, rel=0.1)
    assert report["cooler"]["correlation"] > 0.6
    shipped = cell.cell(car.cell)
    assert shipped.fitted.soc[0] >= i3_fit.KNOTS[0]
    assert shipped.arrhenius is not None
    assert shipped.ocv is not None
    for field, name in (("r0_ohm_ah", "r0"), ("r1_ohm_ah", "r1"), ("r2_ohm_ah", "r2")):
        value = report["cell"][name]["value"]
        assert getattr(shipped.arrhenius, field) == pytest.approx(value, rel=0.01)
    volts = np.interp(i3_fit.KNOTS, shipped.ocv.soc, shipped.ocv.volts)
    np.testing.assert_allclose(volts, report["cell"]["ocv_v"], atol=1e-3)
    assert report["cell"]["rms_v"] < 0.006


@pytest.mark.data
def test_winter_energy_is_within_the_bar_and_beats_the_baselines(
    public_data: Path, summer: list[Drive]
) -> None:
    winter = drives(public_data, "B")
    car, payload = vehicle(VEHICLE), twin_on_i3_trips.PAYLOAD_KG
    scored = twin_on_i3_trips.score(winter, summer, car, payload)["all"]
    assert scored["trips"] >= 20
    assert scored["energy_error"]["median"] <= twin_on_i3_trips.BAR
    assert scored["energy_error"]["median"] < scored["energy_error_unfitted"]["median"]
    assert scored["energy_error"]["median"] < scored["energy_error_constant"]["median"]
