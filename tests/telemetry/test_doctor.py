"""The doctor finds what was done to a healthy drive, and nothing in a healthy one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.battery import Battery
from evitals.telemetry import checks, doctor
from evitals.telemetry.chart import Chart, median
from evitals.telemetry.checks import LOCAL, local_findings
from evitals.telemetry.examination import Examination
from evitals.telemetry.recording import Finding, Recording, Trip
from evitals.telemetry.trips import cut

Make = Callable[..., Recording]
ERRORS = {"sign_flip", "time_in_ms", "soc_in_percent", "power_in_kw", "wrong_soc_channel"}


def codes(recording: Recording, battery: Battery | None = None) -> dict[str, int]:
    return {finding.code: finding.count for finding in doctor.examine(recording, battery)}


def repaired_trips(recording: Recording, battery: Battery) -> list[Trip]:
    return cut(doctor.repair(recording, battery), battery)


def test_a_healthy_drive_has_no_findings(drive: Make, battery: Battery) -> None:
    assert codes(drive(), battery) == {}
    assert codes(drive()) == {}


@settings(deadline=None, max_examples=50)
@given(st.floats(40.0, 75.0), st.integers(60, 2400))
def test_no_false_alarm_for_any_plausible_capacity(
    drive: Make, battery: Battery, capacity: float, rows: int
) -> None:
    assert not ERRORS & set(codes(drive(rows, capacity), battery))


def test_sign_flip_by_soc(drive: Make, battery: Battery) -> None:
    flipped = drive(current_a=-drive().table["current_a"])
    assert codes(flipped, battery)["sign_flip"] == 1800


def test_sign_flip_by_voltage_where_soc_is_missing(drive: Make) -> None:
    flipped = drive(current_a=-drive().table["current_a"], soc=[None] * 1800)
    assert "sign_flip" in codes(flipped)
    assert "sign_flip" not in codes(drive(soc=[None] * 1800))


def test_sign_flip_of_a_constant_current_by_the_trend_of_voltage(record: Make) -> None:
    falling = np.linspace(4.1, 3.0, 500)
    assert "sign_flip" in codes(record(current_a=[2.0] * 500, voltage_v=falling))
    assert "sign_flip" not in codes(record(current_a=[-2.0] * 500, voltage_v=falling))


def test_sign_flip_of_power(drive: Make) -> None:
    table = drive().table
    power = table["current_a"] * table["voltage_v"]
    assert "sign_flip" not in codes(drive(power_w=power))
    assert "sign_flip" in codes(drive(power_w=-power))


def test_time_in_ms(drive: Make, battery: Battery, record: Make) -> None:
    assert "time_in_ms" in codes(drive(time_s=1000.0 * np.arange(1800)), battery)
    table = drive().table
    still = record(time_s=1000.0 * np.arange(1800), current_a=table["current_a"], soc=table["soc"])
    assert "time_in_ms" in codes(still, battery)
    slow = record(time_s=120.0 * np.arange(100), current_a=[20.0] * 100)
    assert "time_in_ms" not in codes(slow, battery)


def test_power_in_kw(drive: Make) -> None:
    table = drive().table
    watts = table["current_a"] * table["voltage_v"]
    assert "power_in_kw" not in codes(drive(power_w=watts))
    assert "power_in_kw" in codes(drive(power_w=watts / 1000.0))


def test_soc_in_percent(drive: Make) -> None:
    assert "soc_in_percent" in codes(drive(soc=100.0 * drive().table["soc"]))


def test_gap_duplicate_and_backward_time_with_rows(drive: Make) -> None:
    time = np.arange(1800.0)
    time[100] = time[99]
    time[500:] += 416.0
    time[1000] = 3.0
    found = {f.code: f for f in doctor.examine(drive(time_s=time))}
    assert found["duplicate_stamp"].rows == (100,)
    assert found["backward_time"].rows == (1000,)
    assert found["gap"].rows[0] == 500
    assert "1414 s" in found["gap"].message


def test_a_displayed_soc_is_not_the_bms_soc(drive: Make, battery: Battery) -> None:
    soc = drive().table["soc"]
    shown = 1.25 * soc - 0.02
    assert "wrong_soc_channel" in codes(drive(soc=shown), battery)
    assert "wrong_soc_channel" in codes(drive(soc=shown, soc_displayed=soc))
    assert "wrong_soc_channel" not in codes(drive(soc_displayed=shown), battery)


def test_wrong_level(drive: Make, record: Make, battery: Battery) -> None:
    assert "wrong_level" in codes(record(current_a=[-1.0] * 50, voltage_v=[3.7] * 50), battery)
    assert "wrong_level" in codes(drive().with_(level="cell"), battery)
    assert "wrong_level" not in codes(drive().with_(level="pack"), battery)


def test_out_of_range_counts_rows(drive: Make, battery: Battery) -> None:
    voltage = drive().table["voltage_v"].to_numpy().copy()
    voltage[7:10] = 460.0
    found = {f.code: f for f in doctor.examine(drive(voltage_v=voltage), battery)}
    assert (found["out_of_range"].count, found["out_of_range"].rows) == (3, (7, 8, 9))


@pytest.mark.parametrize("shape", ["constant", "ruled line"])
def test_stuck_sensor(drive: Make, shape: str) -> None:
    current = drive().table["current_a"].to_numpy().copy()
    current[200:300] = -20.0 if shape == "constant" else -20.0 - 0.7 * np.arange(100)
    found = {f.code: f for f in doctor.examine(drive(current_a=current))}
    assert found["stuck_sensor"].rows[0] in range(199, 203)
    assert found["stuck_sensor"].count in range(95, 103)


def test_a_stuck_soc_is_an_error(drive: Make, battery: Battery) -> None:
    soc = drive().table["soc"].to_numpy().copy()
    soc[100:] = soc[100]
    [found] = doctor.examine(drive(soc=soc), battery)
    assert (found.code, found.signal, found.severity) == ("stuck_sensor", "soc", "error")
    assert (found.rows[0], found.count) == (100, 1700)


def test_a_voltage_that_answers_no_step_is_stuck(record: Make) -> None:
    steps = np.where(np.arange(600) % 20 < 10, -10.0, -60.0)
    assert codes(record(current_a=steps, voltage_v=370.0 + 0.1 * steps)) == {}
    held = np.where(np.arange(600) < 300, 370.0 + 0.1 * steps, 365.0)
    [found] = doctor.examine(record(current_a=steps, voltage_v=held))
    assert (found.code, found.signal, found.severity) == ("stuck_sensor", "voltage_v", "warning")
    assert (found.rows[0], found.count) == (300, 300)


def test_a_constant_voltage_charge_is_not_stuck(record: Make) -> None:
    falling = 40.0 * np.exp(-np.arange(1800) / 600)
    assert codes(record(current_a=falling, voltage_v=[398.0] * 1800)) == {}


@pytest.mark.parametrize(("signal", "value"), [("min", 1.28), ("max", 5.0)])
def test_a_cell_beyond_its_limits_is_told_and_costs_no_trip(
    drive: Make, battery: Battery, signal: str, value: float
) -> None:
    cells = np.full(1800, 3.8)
    cells[700:703] = value
    name = f"cell_voltage_{signal}_v"
    [found] = doctor.examine(drive(**{name: cells}), battery)
    assert (found.code, found.signal, found.severity) == ("out_of_range", name, "warning")
    assert found.rows == (700, 701, 702)


def test_a_constant_current_on_a_bench_is_not_stuck(record: Make) -> None:
    assert codes(record(current_a=[-2.0] * 500, voltage_v=np.linspace(4.1, 3.0, 500))) == {}


def test_missing_share(drive: Make) -> None:
    soc = [None] * 400 + drive().table["soc"].to_list()[400:]
    assert codes(drive(soc=soc)) == {"nan_share": 400}
    assert codes(drive(soc=[None] * 1800)) == {}


def test_start_transient(record: Make) -> None:
    recording = record(current_a=[0.0, -4.0] + [1.5] * 300, step=2.5)
    assert codes(recording) == {"start_transient": 1}


def test_repair_drops_only_what_came_twice(drive: Make, battery: Battery) -> None:
    time = np.arange(1800.0)
    time[100] = time[99]
    time[1000:] -= 500.0
    broken = drive(time_s=time).with_(digest="abc")
    repaired = doctor.repair(broken, battery)
    assert repaired.table.height == 1799
    assert repaired.table["current_a"][99] == broken.table["current_a"][99]
    assert repaired.digest == "abc"
    assert {"duplicate_stamp", "backward_time"} <= {f.code for f in repaired.findings}


def harmed(drive: Make, harm: str) -> Recording:
    """A drive with a fault of one kind."""
    time, table = np.arange(1800.0), drive().table
    if harm == "twice":
        time[100] = time[99]
    elif harm == "gaps":
        time[600:] += 5000.0
        time[1200:] -= 9000.0
    elif harm == "late":
        return Recording(table=table[5:], source="x", digest="d")
    elif harm == "held":
        voltage = table["voltage_v"].to_numpy().copy()
        voltage[300:900] = voltage[300]
        return drive(voltage_v=voltage)
    elif harm == "nothing":
        return Recording(table=table.clear(), source="x", digest="d")
    return drive(time_s=time)


@pytest.mark.parametrize("harm", ["", "twice", "gaps", "late", "held", "nothing"])
def test_checked_trips_are_the_cuts_of_the_repaired(
    drive: Make, battery: Battery, harm: str
) -> None:
    recording = harmed(drive, harm)
    repaired, trips = doctor.checked_trips(recording, battery)
    expected = doctor.repair(recording, battery)
    assert repaired.findings == expected.findings
    assert repaired.table.equals(expected.table)
    again = cut(expected, battery)
    assert [t.table.equals(a.table) for t, a in zip(trips, again, strict=True)] == [True] * len(
        trips
    )
    for trip, other in zip(trips, again, strict=True):
        assert replace(trip, table=None) == replace(other, table=None)  # type: ignore[arg-type]
        assert [f for f in trip.findings if f.code in LOCAL] == local_findings(
            Examination.of(trip.table, battery)
        )


def test_a_trip_that_is_the_whole_recording_is_looked_at_once(
    drive: Make, battery: Battery, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def counted(chart: Chart, _: Battery | None) -> list[Finding]:
        looks.append(len(chart.time))
        return []

    monkeypatch.setattr(doctor, "CHECKS", (counted,))
    monkeypatch.setattr(checks, "LOCAL_CHECKS", (counted,))
    assert len(doctor.checked_trips(drive(), battery)[1]) == 1
    assert looks == [1800]
    doctor.checked_trips(harmed(drive, "gaps"), battery)
    assert looks == [1800, 1800, 600, 600, 600]


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), max_size=40).map(np.array))
def test_the_median_is_numpys(values: np.ndarray) -> None:
    known = values[~np.isnan(values)] if len(values) else values
    assert np.array_equal(
        median(values.astype(float)), np.median(known) if len(known) else np.nan, equal_nan=True
    )


def test_repair_never_turns_a_sign_or_a_unit(drive: Make, battery: Battery) -> None:
    flipped = drive(current_a=-drive().table["current_a"])
    repaired = doctor.repair(flipped, battery)
    assert repaired.table.equals(flipped.table)
    assert any(f.severity == "error" for f in repaired.findings)
    assert all(f.severity != "error" for f in doctor.repair(drive(), battery).findings)


def test_a_fault_is_charged_to_its_trip_and_a_slip_to_all(
    drive: Make, record: Make, battery: Battery
) -> None:
    first, second = drive().table, drive().table
    time = np.concatenate([first["time_s"], second["time_s"] + 90_000.0])
    current = np.concatenate([first["current_a"], second["current_a"]])
    stuck = current.copy()
    stuck[200:300] = -20.0
    soc = np.concatenate([first["soc"], second["soc"]])
    speed = np.concatenate([first["speed_mps"], second["speed_mps"]])
    volts = 360.0 + 0.1 * stuck
    local = repaired_trips(
        record(time_s=time, current_a=stuck, voltage_v=volts, soc=soc, speed_mps=speed), battery
    )
    assert [{f.code for f in trip.findings} for trip in local] == [{"stuck_sensor"}, set()]
    wrong = repaired_trips(
        record(time_s=time, current_a=-current, soc=soc, speed_mps=speed), battery
    )
    assert all("sign_flip" in {f.code for f in trip.findings} for trip in wrong)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=40),
    st.lists(st.one_of(st.none(), st.floats(0, 1.05)), min_size=40, max_size=40),
)
def test_no_content_stops_the_doctor(
    record: Make, battery: Battery, currents: list[float | None], socs: list[float | None]
) -> None:
    rows = len(currents)
    recording = record(current_a=currents, soc=socs[:rows], speed_mps=socs[:rows], power_w=currents)
    findings = doctor.examine(recording, battery)
    assert all(0 < finding.count <= rows for finding in findings)
    assert sum(trip.table.height for trip in repaired_trips(recording, battery)) <= rows
