"""The public measurements as published: every trap that their provenance names is seen."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evitals.battery import builtin, describe
from evitals.telemetry import Reading, doctor, read
from evitals.telemetry.chart import chart_of
from evitals.telemetry.checks import implied_capacity_ah
from evitals.telemetry.trips import cut

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def i3(public_data: Path) -> Reading:
    return read(public_data / "bmw_i3_trips/trips_1hz.parquet", vehicle=describe("bmw-i3-60ah"))


def number(value: object) -> float:
    assert isinstance(value, float)
    return value


def test_every_raw_sample_is_recognised(public_data: Path) -> None:
    found: Counter[str] = Counter()
    for file in sorted((public_data / "raw_samples").glob("*/*.*")):
        if file.name != "metadata.csv":
            reading = read(file)
            assert len(reading.recordings) == 1, file.name
            errors = [f for f in doctor.examine(reading.recordings[0]) if f.severity == "error"]
            assert errors == [], file.name
            found[reading.detection.source] += 1
    assert found == {
        "bmw_i3": 3,
        "calce_arbin": 2,
        "ev_pack": 1,
        "lg_18650hg2": 2,
        "nasa_pcoe": 12,
        "panasonic_18650pf": 1,
    }


def test_i3_raw_has_soc_missing_at_its_end(public_data: Path) -> None:
    (trip,) = read(public_data / "raw_samples/bmw_i3/TripB20.csv").recordings
    assert trip.table["soc"][0] is not None
    assert trip.table["soc"][-1] is None
    assert number(trip.table["speed_mps"].max()) < 60.0


def test_i3_trips_have_dates_and_one_drive_each(i3: Reading) -> None:
    assert len(i3.recordings) == 53
    assert {r.start_origin for r in i3.recordings} == {"file"}
    battery = describe("bmw-i3-60ah").battery
    assert all([t.kind for t in cut(r, battery)] == ["drive"] for r in i3.recordings)


def test_i3_soc_tells_61_ah_and_the_displayed_one_48(i3: Reading) -> None:
    told: dict[str, list[float]] = {"soc": [], "soc_displayed": []}
    for recording in i3.recordings:
        chart = chart_of(recording.table)
        for name, values in told.items():
            capacity = implied_capacity_ah(chart.charge, recording.table[name].to_numpy())
            if capacity is not None and recording.part != "TripB02":
                values.append(capacity)
    assert np.median(told["soc"]) == pytest.approx(61.7, abs=1.0)
    assert np.median(told["soc_displayed"]) == pytest.approx(48.0, abs=2.0)


def test_i3_only_trip_b02_is_refused(i3: Reading) -> None:
    battery = describe("bmw-i3-60ah").battery
    refused = {
        recording.part: {f.code for f in trip.findings if f.severity == "error"}
        for recording in i3.recordings
        for trip in cut(doctor.repair(recording, battery), battery)
        if any(f.severity == "error" for f in trip.findings)
    }
    assert refused == {"TripB02": {"stuck_sensor"}}


def test_i3_swapped_soc_channels_and_flipped_current_are_found(i3: Reading) -> None:
    long = [r for r in i3.recordings if np.ptp(r.table["soc"].drop_nulls().to_numpy()) > 0.12]
    assert len(long) > 10
    for recording in long:
        swapped = recording.table.rename({"soc": "soc_displayed", "soc_displayed": "soc"})
        codes = {f.code for f in doctor.examine(recording.with_(table=swapped))}
        assert ("wrong_soc_channel" in codes) or recording.part == "TripB02"
    for recording in i3.recordings:
        flipped = recording.table.with_columns(-pl.col("current_a"))
        assert "sign_flip" in {f.code for f in doctor.examine(recording.with_(table=flipped))}
        blind = recording.with_(table=flipped.drop("soc"))
        assert "sign_flip" in {f.code for f in doctor.examine(blind)}


def test_packs_name_their_vehicle_and_lose_their_sentinels(public_data: Path) -> None:
    reading = read(public_data / "ev_fault_packs/packs.parquet", lookup=builtin().get)
    assert {r.vehicle_id for r in reading.recordings} == {"ev-pack-car2", "ev-pack-car3"}
    for recording in reading.recordings:
        assert number(recording.table["odometer_km"].min()) > 0.0
        vehicle = describe(str(recording.vehicle_id))
        repaired = doctor.repair(recording, vehicle.battery)
        codes = Counter(f.code for f in repaired.findings)
        assert codes["gap"] == codes["duplicate_stamp"] == 1
        assert all(f.severity != "error" for f in repaired.findings)
        trips = cut(repaired, vehicle.battery)
        assert sum(t.table.height for t in trips) == repaired.table.height


def test_packs_parquet_and_csv_agree(public_data: Path) -> None:
    (raw,) = read(public_data / "raw_samples/ev_fault_pack/car2_first_3000_rows.csv").recordings
    both = read(public_data / "ev_fault_packs/packs.parquet").recordings
    (same,) = [r for r in both if r.vehicle_id == "ev-pack-car2"]
    shared = ["time_s", "current_a", "voltage_v", "soc", "temperature_max_degc", "speed_mps"]
    ours, theirs = raw.table.select(shared), same.table.select(shared).head(raw.table.height)
    assert np.allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-5, atol=1e-5)
    assert raw.start == same.start


def test_nasa_samples_of_8_volts_are_lost_and_told(public_data: Path) -> None:
    reading = read(public_data / "nasa_pcoe/B0005.parquet")
    told = [f for r in reading.recordings for f in r.findings if f.code == "impossible_value"]
    assert any("8.39" in f.message for f in told)
    assert max(number(r.table["voltage_v"].max()) for r in reading.recordings) < 6.0
    assert all(r.start is not None for r in reading.recordings)


def test_nasa_parquet_and_csv_agree_on_the_start(public_data: Path) -> None:
    (raw,) = read(public_data / "raw_samples/nasa_pcoe/05121.csv").recordings
    first = read(public_data / "nasa_pcoe/B0005.parquet").recordings[0]
    assert raw.start == first.start
    assert raw.vehicle_id == first.vehicle_id == "B0005"


def test_lg_gap_of_416_s_is_found_and_excluded_tests_are_errors(public_data: Path) -> None:
    reading = read(public_data / "lg_18650hg2/tests_1hz.parquet")
    by_part = {r.part: r for r in reading.recordings}
    (part,) = [p for p in by_part if "602_Mixed4" in p]
    gaps = [f for f in doctor.examine(by_part[part]) if f.code == "gap"]
    assert "416" in gaps[0].message
    published = pl.read_parquet(public_data / "lg_18650hg2/tests.parquet")
    expected = set(published.filter(pl.col("exclude") != "")["test_id"])
    excluded = {p for p, r in by_part.items() if any(f.code == "excluded" for f in r.findings)}
    assert excluded == expected & set(by_part)
    assert excluded


def test_calce_cycles_start_at_zero_and_run_forward(public_data: Path) -> None:
    reading = read(public_data / "calce_cs2/CS2_36.parquet")
    assert len(reading.recordings) > 900
    for recording in reading.recordings:
        assert recording.table["time_s"][0] == 0.0
        for trip in cut(recording):
            assert trip.table["time_s"].diff().drop_nulls().ge(0.0).all()


def test_no_false_sign_flip_on_any_bench(public_data: Path) -> None:
    files = ["panasonic_18650pf/other_tests.parquet", "nasa_pcoe/B0042.parquet"]
    for file in files:
        for recording in read(public_data / file).recordings:
            codes = {f.code for f in doctor.examine(recording)}
            assert "sign_flip" not in codes, recording.part
