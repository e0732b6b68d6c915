"""Reading: event time, parts, vehicles, digests, detection."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.battery import Battery, Vehicle
from evitals.errors import InputError, UnreadableFile
from evitals.telemetry import SOURCES, read
from evitals.telemetry.sources import Registry
from evitals.telemetry.sources.nasa import parse_datevec
from evitals.telemetry.stamps import parse_stamps

DATA = Path(__file__).parent.parent / "data"
HEADER = "time_s,current_a,voltage_v\n"
PLAIN = (HEADER + "".join(f"{k},-1,350\n" for k in range(11))).encode()
BERLIN = "Europe/Berlin"


@pytest.fixture
def vehicle(battery: Battery) -> Vehicle:
    return Vehicle(
        vehicle_id="car",
        battery=battery,
        timezone=BERLIN,
        undated_start=datetime(2019, 6, 25, tzinfo=UTC),
    )


def parts(*names: str) -> bytes:
    rows = [f"{name},{k},-1,350\n" for name in names for k in range(11)]
    return ("trip_id,time_s,current_a,voltage_v\n" + "".join(rows)).encode()


def test_without_any_word_the_start_is_unknown() -> None:
    (recording,) = read(PLAIN).recordings
    assert (recording.start, recording.start_origin) == (None, "unknown")


def test_a_vehicle_dates_what_is_undated(vehicle: Vehicle) -> None:
    (recording,) = read(PLAIN, vehicle=vehicle).recordings
    assert (recording.start, recording.start_origin) == (vehicle.undated_start, "vehicle_default")
    assert recording.vehicle_id == "car"


def test_the_option_outranks_the_vehicle(vehicle: Vehicle) -> None:
    start = datetime(2026, 7, 1, 12, 0)  # noqa: DTZ001
    (recording,) = read(PLAIN, vehicle=vehicle, start=start).recordings
    assert recording.start == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    assert recording.start_origin == "option"
    (recording,) = read(PLAIN, vehicle=vehicle, start=start, tz="Asia/Tokyo").recordings
    assert recording.start == datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def test_the_file_outranks_the_option(vehicle: Vehicle) -> None:
    start = datetime(2001, 1, 1, tzinfo=UTC)
    (recording,) = read(DATA / "lg/test.csv", vehicle=vehicle, start=start).recordings
    assert recording.start == datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    assert recording.start_origin == "file"


def test_undated_parts_follow_one_another(vehicle: Vehicle) -> None:
    starts = [r.start for r in read(parts("a", "b", "c"), vehicle=vehicle).recordings]
    first = vehicle.undated_start
    assert first is not None
    assert starts == [first, first + timedelta(seconds=11), first + timedelta(seconds=22)]


def test_a_sidecar_dates_parts_in_local_time() -> None:
    starts = [r.start for r in read(DATA / "bmw_i3/trips_1hz.parquet").recordings]
    assert starts == [
        datetime(2026, 3, 1, 7, 30, tzinfo=UTC),  # winter: one hour ahead of UTC
        datetime(2026, 3, 31, 6, 30, tzinfo=UTC),  # summer: two
    ]


def test_a_sidecar_of_another_cell_says_nothing() -> None:
    ambient = [r.table["ambient_degc"][0] for r in read(DATA / "nasa/B9001.parquet").recordings]
    assert ambient == [4.0, 4.0]


def test_what_the_publisher_excludes_is_an_error() -> None:
    last = read(DATA / "lg/tests_1hz.parquet").recordings[-1]
    assert [(f.code, f.severity) for f in last.findings] == [("excluded", "error")]
    assert "23 degC" in last.findings[0].message


def test_two_vehicles_in_one_file_are_two_recordings(vehicle: Vehicle) -> None:
    reading = read(DATA / "own/two_vehicles.csv", vehicle=vehicle)
    assert [r.vehicle_id for r in reading.recordings] == ["van-1", "van-2"]
    assert [r.battery_id for r in reading.recordings] == ["b1", "b1"]


def test_lookup_finds_the_zone_of_a_vehicle_the_file_names(vehicle: Vehicle) -> None:
    text = "vehicle_id,timestamp,current_a,voltage_v\ncar,2026-07-01 12:00:00,1,350\n"
    (recording,) = read(text.encode(), lookup={"car": vehicle}.get).recordings
    assert recording.start == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    (recording,) = read(text.encode(), lookup=dict[str, Vehicle]().get).recordings
    assert recording.start == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def test_digest_is_of_content(vehicle: Vehicle) -> None:
    def digest(data: bytes, **options: Any) -> str:
        return read(data, **options).recordings[0].digest

    plain = digest(PLAIN)
    reordered = b"voltage_v,time_s,current_a\n" + b"".join(b"350,%d,-1\n" % k for k in range(11))
    assert digest(PLAIN, name="other.csv") == plain
    assert digest(reordered) == plain
    assert digest(PLAIN.replace(b"\n", b"\r\n")) == plain
    assert digest(PLAIN.replace(b"-1,", b"-1.000,")) == plain
    assert digest(PLAIN.replace(b"7,-1", b"7,-2")) != plain
    assert digest(PLAIN, start=datetime(2026, 1, 1, tzinfo=UTC)) != plain
    assert digest(PLAIN, vehicle=vehicle) != plain


def test_the_clock_change_is_an_hour_twice_or_never() -> None:
    text = "timestamp,current_a,voltage_v\n"
    autumn = "2025-10-26 01:59:00,1,350\n2025-10-26 02:30:00,1,350\n2025-10-26 03:30:00,1,350\n"
    (recording,) = read((text + autumn).encode(), tz=BERLIN).recordings
    assert recording.table["time_s"].to_list() == [0.0, 1860.0, 9060.0]
    spring = "2026-03-29 01:59:00,1,350\n2026-03-29 02:30:00,1,350\n2026-03-29 03:01:00,1,350\n"
    (recording,) = read((text + spring).encode(), tz=BERLIN).recordings
    assert recording.table["time_s"].to_list() == [0.0, 120.0]
    assert [(f.code, f.rows) for f in recording.findings] == [("no_time", (1,))]


@pytest.mark.parametrize(
    "stamp",
    [
        "2019-12-08 10:15:30",
        "2019_12_08 10:15:30",
        "2019-12-08T10:15:30",
        "2019-12-08T10:15:30Z",
        "2019-12-08T11:15:30+01:00",
        "2019-12-08T11:15:30.000+0100",
        "12/8/2019 10:15:30 AM",
        "08.12.2019 10:15:30",
        "1575800130",
        "1575800130000",
    ],
)
def test_dates_in_many_forms(stamp: str) -> None:
    text = f"timestamp,current_a,voltage_v\n{stamp},1,350\n"
    (recording,) = read(text.encode()).recordings
    assert recording.start == datetime(2019, 12, 8, 10, 15, 30, tzinfo=UTC)


def test_no_date_and_no_zone_are_named() -> None:
    with pytest.raises(InputError, match="yesterday") as caught:
        read(b"timestamp,current_a,voltage_v\nyesterday,1,350\n")
    assert caught.value.reason == "bad_stamp"
    with pytest.raises(InputError, match="Europe/Munich") as caught:
        read(PLAIN, tz="Europe/Munich")
    assert caught.value.field == "tz"


MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001


@settings(deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=5))
def test_iso_dates_come_back(moments: list[datetime]) -> None:
    text = pl.Series("timestamp", [m.isoformat(" ", "microseconds") for m in moments])
    assert parse_stamps(text, "UTC").to_list() == [m.replace(tzinfo=UTC) for m in moments]


@settings(deadline=None)
@given(MOMENTS)
def test_a_date_vector_comes_back(moment: datetime) -> None:
    second = moment.second + moment.microsecond / 1e6
    vector = [moment.year, moment.month, moment.day, moment.hour, moment.minute, second]
    plain = "[" + " ".join(f"{x:.6f}" for x in vector) + "]"
    assert parse_datevec(plain) == moment
    assert parse_datevec("[" + " ".join(f"{x:.9e}" for x in vector) + "]") == moment


@pytest.mark.parametrize("text", ["", "[]", "[2010. 6. 3.]", "[2010. 13. 3. 18. 29. 28.]", "junk"])
def test_a_bad_date_vector_is_no_date(text: str) -> None:
    assert parse_datevec(text) is None


def test_naming_the_source_skips_detection() -> None:
    assert read(PLAIN, as_source="evitals").detection.why == "named by the caller"
    with pytest.raises(UnreadableFile, match="lacks") as caught:
        read(PLAIN, as_source="bmw_i3")
    assert caught.value.reason == "wrong_source"
    with pytest.raises(InputError, match="did you mean bmw_i3"):
        read(PLAIN, as_source="bmwi3")


def test_detection_names_the_runner_up() -> None:
    detection = read(DATA / "panasonic/tests_1hz.parquet").detection
    assert detection.runner_up == "lg_18650hg2_parquet"
    assert "chamber_temperature_C" in detection.why


def test_the_registry_refuses_a_name_twice() -> None:
    source = SOURCES.get("bdf")
    registry = Registry([source])
    with pytest.raises(InputError, match="registered already"):
        registry.add(source)
    assert len(registry) == 1


def test_a_start_is_the_stamp_of_the_first_sample_with_a_time() -> None:
    text = "timestamp,time_s,current_a,voltage_v\n"
    rows = "2026-01-01 00:00:00,,1,350\n2026-01-01 00:01:00,60,1,350\n,120,1,350\n"
    (recording,) = read((text + rows).encode()).recordings
    assert recording.start == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert recording.table["time_s"].to_list() == [0.0, 60.0]


def test_findings_of_a_file_with_parts_carry_no_row_of_the_file() -> None:
    (first, second) = read(parts("a", "b") + b"b,11,x,350\n").recordings
    for recording in (first, second):
        assert [(f.code, f.count, f.rows) for f in recording.findings] == [("not_a_number", 1, ())]


@pytest.mark.parametrize(
    "stamps",
    [
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:10+14:00"),
        ("9999-12-31T23:59:40-14:00", "9999-12-31T23:59:50-14:00"),
        ("-100000000000000", "-99999999990000"),
        ("99000000000000", "99000000010000"),
    ],
)
def test_a_date_of_no_clock_is_no_date(stamps: tuple[str, str]) -> None:
    rows = "".join(f"{stamp},-1,350\n" for stamp in stamps)
    with pytest.raises(InputError, match="is not a date"):
        read(("timestamp,current_a,voltage_v\n" + rows).encode())


@pytest.mark.parametrize("year", [1, 9999])
def test_a_start_of_no_clock_is_refused(year: int) -> None:
    with pytest.raises(InputError, match="between 1900 and 2500"):
        read(PLAIN, start=datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))


def test_damaged_metadata_beside_a_file_refuse_it(tmp_path: Path) -> None:
    """Else its recordings would pass as undated."""
    data = tmp_path / "trips_1hz.parquet"
    columns = ("time_s", "speed_kmh", "voltage_V", "current_A", "soc_displayed")
    pl.DataFrame({"trip_id": ["A"] * 3, **{c: [0.0, 1.0, 2.0] for c in columns}}).write_parquet(
        data
    )
    assert read(data).recordings[0].start is None
    (tmp_path / "trips.parquet").write_bytes(b"rubbish")
    with pytest.raises(UnreadableFile) as refused:
        read(data)
    assert refused.value.reason == "damaged_metadata"
