"""Bad files: each is refused with file, value and remedy, or read with counted findings."""

import contextlib
import io
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evitals.errors import InputError, UnreadableFile
from evitals.telemetry import Recording, read
from evitals.telemetry.formats import SNIFF_BYTES

DATA = Path(__file__).parent.parent / "data"
HEADER = "time_s,current_a,voltage_v,soc\n"


def only(data: bytes | str, **options: Any) -> Recording:
    content = data.encode() if isinstance(data, str) else data
    (recording,) = read(content, name="f", **options).recordings
    return recording


def refusal(data: bytes | Path, **options: Any) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read(data, name="trip.csv", **options)
    assert caught.value.field == "trip.csv"
    assert caught.value.remedy
    assert len(str(caught.value)) < 700
    return caught.value.reason


def counts(recording: Recording) -> dict[str, int]:
    return {f.code: f.count for f in recording.findings}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b" \n\n", "empty_file"),
        (HEADER.encode(), "header_only"),
        (HEADER.encode() + b"\n\n", "header_only"),
        (os.urandom(4096) + b"\x00", "not_a_table"),
        (b"\x7fELF\x02\x01\x01" + bytes(200), "not_a_table"),
        ((HEADER + "0,1,350,0.5\n").encode("utf-16"), "wrong_encoding"),
        (b"a,b,c\n1,2,3\n", "unknown_columns"),
        (b"time_s,current_a,voltage_v\nx,y,z\nx,y,z\n", "no_numbers"),
        (b"time_s,current_a,voltage_v\n,1,350\n", "no_samples"),
        (b"time_s,current_a,voltage_v\n0,,\n1,,\n", "no_samples"),
        (b"time_s,current_a,voltage_v,current_a\n0,1,350,1\n", "duplicate_column"),
        (b"PAR1" + bytes(40), "half_written"),
        (b"PAR1" + bytes(40) + b"PAR1", "damaged_file"),
        (b"ARROW1\x00\x00" + bytes(40), "damaged_file"),
        (b'{"time_s": 0,, "current_a"}\n', "damaged_file"),
        (b"MATLAB 5.0 MAT-file" + bytes(200), "damaged_file"),
        (b"PK\x03\x04" + bytes(100), "damaged_file"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_refused_with_a_reason(data: bytes, reason: str) -> None:
    assert refusal(data) == reason


def test_a_truncated_parquet_is_half_written() -> None:
    whole = (DATA / "own/trip.parquet").read_bytes()
    assert refusal(whole[:-200]) == "half_written"
    assert refusal(whole[: len(whole) // 2] + whole[-8:]) == "damaged_file"


def test_two_gigabytes_of_one_line_cost_no_memory(tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.write(b"7," * SNIFF_BYTES)
        file.truncate(2 * 2**30)
    tracemalloc.start()
    try:
        assert refusal(huge) == "line_too_long"
        assert refusal(huge, max_bytes=4 * 2**30) == "line_too_long"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20


def test_a_long_line_behind_a_header_is_refused() -> None:
    assert refusal(HEADER.encode() + b"1," * 10**6) == "line_too_long"


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    file = tmp_path / "trip.csv"
    file.write_text(HEADER + "0,1,350,0.5\n" * 1000)
    assert refusal(file, max_bytes=1024) == "too_large"
    assert refusal(file.read_bytes(), max_bytes=1024) == "too_large"


def test_an_archive_that_unpacks_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("evitals.telemetry.formats.workbook.MAX_UNPACKED_BYTES", 1000)
    assert refusal((DATA / "calce/CS2_90.xlsx").read_bytes()) == "too_large"


def test_a_zip_that_is_no_workbook_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("trip.csv", HEADER)
    assert refusal(packed.getvalue()) == "not_a_table"


def test_a_line_cut_in_half_is_dropped_and_told() -> None:
    recording = only(HEADER + "0,1,350,0.5\n1,1,350,0.5\n2,1,3")
    assert recording.table.height == 2
    assert counts(recording) == {"half_written": 1}
    ndjson = b'{"time_s":0,"current_a":1,"voltage_v":350}\n{"time_s":1,"curr'
    assert counts(only(ndjson)) == {"half_written": 1}


def test_a_last_line_without_a_line_end_is_kept() -> None:
    assert only(HEADER + "0,1,350,0.5\n1,1,350,0.5").table.height == 2


def test_lines_with_missing_or_extra_cells_are_told() -> None:
    recording = only(HEADER + "0,1,350,0.5\n1,1\n2,1,350,0.5,9\n")
    assert recording.table.height == 3
    assert recording.table["voltage_v"].to_list() == [350.0, None, 350.0]
    assert counts(recording) == {"ragged_line": 2}


def test_nan_is_missing_and_infinity_is_told() -> None:
    recording = only(HEADER + "0,nan,350,0.5\n1,inf,350,0.5\n2,-inf,350,NaN\n3,1,350,0.5\n")
    assert recording.table["current_a"].to_list() == [None, None, None, 1.0]
    assert recording.table["soc"].null_count() == 1
    assert [(f.code, f.rows, f.signal) for f in recording.findings] == [
        ("not_finite", (1, 2), "current_a")
    ]


def test_words_for_a_missing_value_are_no_fault() -> None:
    recording = only(HEADER + "0,NA,350,0.5\n1,1,null,N/A\n2,2,,None\n3,2,350,NULL\n")
    assert recording.table["current_a"].to_list() == [None, 1.0, 2.0, 2.0]
    assert recording.table["voltage_v"].to_list() == [350.0, None, None, 350.0]
    assert recording.table["soc"].to_list() == [0.5, None, None, None]
    assert recording.findings == ()


def test_huge_numbers_are_impossible_values() -> None:
    recording = only(HEADER + "0,1,1e300,0.5\n1,1,350,0.5\n1e300,1,350,0.5\n")
    assert recording.table["voltage_v"].to_list() == [None, 350.0]
    assert counts(recording) == {"impossible_value": 1, "no_time": 1}


def test_text_where_numbers_belong_is_told_with_its_rows() -> None:
    recording = only(HEADER + "0,1,350,0.5\n1,high,350,0.5\n2,2,350,0.5\n")
    (finding,) = recording.findings
    assert (finding.code, finding.rows, finding.signal) == ("not_a_number", (1,), "current_a")
    assert "'high'" in finding.message


def test_wrong_types_in_a_parquet_are_refused() -> None:
    nested = io.BytesIO()
    pl.DataFrame({"time_s": [0.0], "current_a": [[1.0]], "voltage_v": [3.7]}).write_parquet(nested)
    assert refusal(nested.getvalue()) == "wrong_type"


def test_soc_in_percent_is_an_error_and_does_not_pass() -> None:
    recording = only(HEADER + "0,1,350,80\n1,1,350,79.5\n2,1,350,79\n")
    assert recording.table["soc"].null_count() == 3
    assert [(f.code, f.severity, f.count) for f in recording.findings] == [
        ("soc_in_percent", "error", 3)
    ]


def test_extra_and_duplicate_columns_matter_only_where_used() -> None:
    header = "time_s,current_a,voltage_v,note,note,odd name\n"
    recording = only(header + "0,1,350,a,b,c\n1,1,350,a,b,c\n")
    assert set(recording.table.columns) == {"time_s", "current_a", "voltage_v"}
    assert recording.findings == ()


def test_encodings_of_one_file_read_alike() -> None:
    latin = (DATA / "bmw_i3/trip.csv").read_bytes()
    utf8 = latin.decode("latin-1").encode()
    digests = {only(form).digest for form in (latin, utf8, b"\xef\xbb\xbf" + utf8)}
    assert len(digests) == 1


def test_a_header_in_the_wrong_encoding_loses_only_the_columns_it_names() -> None:
    mangled = (DATA / "bmw_i3/trip.csv").read_bytes().replace(b"\xb0C", b"\xc2\xb0C")
    assert "temperature_degc" in only(mangled).table.columns
    lost = (DATA / "bmw_i3/trip.csv").read_bytes().replace(b"\xb0C", b"?C")
    assert "temperature_degc" not in only(lost).table.columns
    assert only(lost).table["current_a"][0] == -25.0


def test_a_path_or_sql_in_a_name_stays_a_name() -> None:
    text = "vehicle_id,time_s,current_a,voltage_v\n'; DROP TABLE x;--,0,1,350\n"
    (recording,) = read(text.encode(), name="../../etc/passwd").recordings
    assert recording.vehicle_id == "'; DROP TABLE x;--"
    assert recording.name == "../../etc/passwd"


def test_impedance_files_are_refused_by_their_columns() -> None:
    with pytest.raises(UnreadableFile, match="Battery_impedance") as caught:
        read(DATA / "nasa/00003.csv")
    assert caught.value.reason == "unknown_columns"


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400), st.sampled_from(["", HEADER, "PAR1", "ARROW1", "PK\x03\x04", "{"]))
def test_rubbish_raises_nothing_but_input_errors(junk: bytes, prefix: str) -> None:
    with contextlib.suppress(InputError):
        assert all(r.table.height for r in read(prefix.encode() + junk).recordings)


CELLS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.sampled_from(["", "NA", "x", "1e999", "-0", "0x10", '"1', "1,2"]),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=12))
def test_any_cells_give_real_values_or_an_input_error(rows: list[tuple[str, ...]]) -> None:
    text = HEADER + "".join(",".join(row) + "\n" for row in rows)
    try:
        reading = read(text.encode())
    except InputError:
        return
    for recording in reading.recordings:
        table = recording.table
        assert table["time_s"][0] == 0.0
        assert table["current_a"].drop_nulls().is_between(-3000, 3000).all()
        assert table["voltage_v"].drop_nulls().is_between(0, 1500).all()
        assert table["soc"].drop_nulls().is_between(0, 1.05).all()
