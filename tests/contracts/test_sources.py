"""Every source, on a made-up sample of its own: nothing is registered that is not read right."""

import ast
import importlib.util
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import evitals.telemetry.sources as declarations
from evitals.signals import SIGNALS
from evitals.telemetry import SOURCES, Reading, doctor, read

DATA = Path(__file__).parent.parent / "data"
START = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


Values = dict[str, dict[int, float | None]]


@dataclass(frozen=True)
class Sample:
    """A file, who must recognise it, and what must come out: values of chosen rows by signal."""

    file: str
    source: str
    parts: int = 1
    rows: int = 120
    start: datetime | None = START
    vehicle: str | None = None
    values: Values = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    findings: dict[str, int] = field(default_factory=dict)


CELL: Values = {"current_a": {0: -1.25}, "voltage_v": {0: 3.9025}}
PACK: Values = {"current_a": {0: -25.0}, "voltage_v": {0: 379.5}}
SAMPLES = [
    Sample(
        "bmw_i3/trip.csv",
        "bmw_i3",
        start=None,
        values=PACK
        | {"soc": {0: 0.8, 119: None}, "soc_displayed": {0: 0.875}}
        | {"speed_mps": {0: 12.0}, "aircon_power_w": {5: 250.0}, "ambient_degc": {5: 7.5}},
    ),
    Sample(
        "bmw_i3/trips_1hz.parquet",
        "bmw_i3_parquet",
        parts=2,
        start=datetime(2026, 3, 1, 7, 30, tzinfo=UTC),
        values=PACK | {"soc": {0: 0.8}, "heater_power_w": {0: 500.0}},
    ),
    Sample(
        "ev_pack/car.csv",
        "ev_pack",
        rows=121,
        values={
            "current_a": {0: -50.0},
            "soc": {0: 0.8},
            "temperature_degc": {0: 22.0, 5: None, 6: None},
            "temperature_max_degc": {0: 24.0, 7: None},
            "cell_voltage_max_v": {2: 3.9, 3: None, 4: None},
            "odometer_km": {0: 1000.5, 9: None},
            "time_s": {0: 0.0, 1: 10.0, 120: 1190.0},
        },
        absent=("insulation_ohm",),
        findings={"sentinel": 5, "impossible_value": 1},
    ),
    Sample(
        "ev_pack/packs.parquet",
        "ev_pack_parquet",
        parts=2,
        vehicle="ev-pack-car2",
        values={
            "current_a": {0: -50.0},
            "temperature_degc": {0: 22.0},
            "odometer_km": {0: None, 1: 1000.5},
            "time_s": {1: 10.0},
        },
        findings={"sentinel": 1},
    ),
    Sample(
        "nasa/00001.csv",
        "nasa_pcoe",
        vehicle="B9001",
        values={
            "current_a": {0: 1.5, 1: -4.0},
            "voltage_v": {0: 3.6, 60: None},
            "ambient_degc": {0: 22.0},
        },
        findings={"impossible_value": 1},
    ),
    Sample(
        "nasa/00002.csv",
        "nasa_pcoe",
        vehicle="B9001",
        start=datetime(2026, 3, 1, 9, 30, 17, 921000, tzinfo=UTC),
        values={"current_a": {0: -2.0}},
    ),
    Sample(
        "nasa/B9001.parquet",
        "nasa_pcoe_parquet",
        parts=2,
        vehicle="B9001",
        values={"current_a": {0: -2.0}, "ambient_degc": {0: 4.0}},
    ),
    Sample("lg/test.csv", "lg_18650hg2", values=CELL | {"charge_ah": {0: 0.0}}),
    Sample("lg/tests_1hz.parquet", "lg_18650hg2_parquet", parts=3, values=CELL | {"soc": {0: 0.8}}),
    Sample(
        "panasonic/test.mat",
        "panasonic_18650pf",
        rows=126,
        values={"current_a": {0: 0.0, 6: -1.25}, "time_s": {1: 60.0}, "power_w": {0: 0.0}},
        absent=("ambient_degc",),
    ),
    Sample(
        "panasonic/tests_1hz.parquet",
        "panasonic_18650pf_parquet",
        values=CELL | {"ambient_degc": {0: 25.0}},
    ),
    Sample(
        "calce/CS2_90.xlsx",
        "calce_arbin",
        values={"time_s": {0: 0.0, 119: 3570.0}, "current_a": {0: 0.55}, "voltage_v": {60: 3.7}},
    ),
    Sample(
        "calce/CS2_90.parquet",
        "calce_parquet",
        start=None,
        vehicle="CS2_90",
        values={"current_a": {0: 0.55}, "time_s": {79: 2370.0, 80: -4990.0}},
    ),
    Sample("bdf/cell.bdf.csv", "bdf", values=CELL | {"ambient_degc": {0: 25.0}}),
    Sample("bdf/cell.bdf.parquet", "bdf", start=None, values=CELL),
    Sample(
        "reference_trip/tripdata.csv",
        "reference_trip",
        start=None,
        values=PACK | {"power_w": {0: -9487.5}, "soc": {0: 0.8}, "temperature_degc": {0: 20.0}},
    ),
    Sample("own/two_vehicles.csv", "evitals", parts=2, vehicle="van-1", values=PACK),
    Sample("own/trip.csv", "evitals", vehicle="van-1", values=PACK),
    Sample("own/trip.parquet", "evitals", vehicle="van-1", values=PACK),
    Sample("own/trip.ndjson", "evitals", vehicle="van-1", values=PACK),
    Sample("own/trip.arrow", "evitals", vehicle="van-1", values=PACK),
]


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.file)
def sample(request: pytest.FixtureRequest) -> Sample:
    made: Sample = request.param
    return made


@pytest.fixture
def reading(sample: Sample) -> Reading:
    return read(DATA / sample.file)


def test_every_source_has_a_sample() -> None:
    assert {s.name for s in SOURCES} == {sample.source for sample in SAMPLES}


def test_recognised_and_says_why(sample: Sample, reading: Reading) -> None:
    assert reading.detection.source == sample.source
    assert SOURCES.get(sample.source).about in reading.detection.why


def test_parts_rows_vehicle_and_start(sample: Sample, reading: Reading) -> None:
    first = reading.recordings[0]
    assert len(reading.recordings) == sample.parts
    assert first.table.height == sample.rows
    assert first.vehicle_id == sample.vehicle
    assert first.start == sample.start
    assert first.start_origin == ("file" if sample.start else "unknown")


def test_values_units_and_signs(sample: Sample, reading: Reading) -> None:
    table = reading.recordings[0].table
    for signal, rows in sample.values.items():
        for row, value in rows.items():
            expected = None if value is None else pytest.approx(value, rel=1e-3, abs=1e-3)
            assert table[signal][row] == expected, (signal, row)
    assert not set(sample.absent) & set(table.columns)


def test_findings_are_counted(sample: Sample, reading: Reading) -> None:
    counted: dict[str, int] = {}
    for finding in reading.recordings[0].findings:
        counted[finding.code] = counted.get(finding.code, 0) + finding.count
    assert counted == sample.findings


def test_tables_hold_signals_as_float64_and_time_from_zero(reading: Reading) -> None:
    for recording in reading.recordings:
        table = recording.table
        assert set(table.columns) <= set(SIGNALS)
        assert set(table.dtypes) == {pl.Float64}
        assert table["time_s"][0] == 0.0
        assert table["time_s"].null_count() == 0
        assert (
            table.fill_null(0.0).select(pl.all().is_finite().all()).row(0) == (True,) * table.width
        )


def test_current_agrees_in_sign_with_soc_and_voltage(reading: Reading) -> None:
    for recording in reading.recordings:
        assert "sign_flip" not in {finding.code for finding in doctor.examine(recording)}


def test_digests_differ_between_recordings_and_repeat(sample: Sample, reading: Reading) -> None:
    again = read(DATA / sample.file, name="another-name")
    digests = [recording.digest for recording in reading.recordings]
    assert digests == [recording.digest for recording in again.recordings]
    assert all(len(digest) == 64 for digest in digests)
    assert len(set(digests)) == len(digests)


def test_one_trip_in_four_formats_is_one_recording() -> None:
    files = [DATA / f"own/trip.{ending}" for ending in ("csv", "parquet", "ndjson", "arrow")]
    assert len({read(file).recordings[0].digest for file in files}) == 1


def test_declarations_stay_short_and_one_noun_a_file() -> None:
    folder = Path(declarations.__file__).parent
    for file in folder.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id == "Source":
                assert call.end_lineno is not None
                assert call.end_lineno - call.lineno < 60, f"{file.name}: line {call.lineno}"


def test_samples_are_what_the_script_makes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_samples", DATA / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path)
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.*"))
    kept = sorted(p.relative_to(DATA) for p in DATA.rglob("*/*.*") if "__" not in str(p))
    assert [str(p) for p in made] == [str(p) for p in kept]
    for file in made:
        if file.suffix in (".csv", ".ndjson"):
            assert (tmp_path / file).read_bytes() == (DATA / file).read_bytes(), file
        elif file.suffix == ".parquet":
            assert_frame_equal(pl.read_parquet(tmp_path / file), pl.read_parquet(DATA / file))
