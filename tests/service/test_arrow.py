"""Arrow columns are parsed as the same rows would be as JSON."""

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.fleet.codec import nones
from evitals.service import arrow
from evitals.service.predict import FEATURES, Parsed, Predictor, parse_rows
from evitals.service.problems import problem_of
from evitals.settings import Settings

NUMBER = st.sampled_from([0.0, 1e-9, 1.5, -1.8, 95.0, 3600.0, 3e7, -4000.0, 1e300]) | st.floats(
    -100.0, 100.0
)
STAMP = st.integers(-(2**28), 2**31).map(lambda s: datetime.fromtimestamp(s + 0.25, UTC))
ROW = st.fixed_dictionaries(
    {
        "vehicle_id": st.sampled_from(["V1", "V2", "", "no id!", "x" * 65, None]),
        "discharge_time_s": st.just(3600.0) | NUMBER | st.none(),
        "avg_current": st.just(-1.8) | NUMBER,
    },
    optional=dict.fromkeys(FEATURES[2:], NUMBER | st.none())
    | {"event_time": STAMP | st.none(), "note": st.none() | st.just("hello")},
)  # fmt: skip


def table_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    kinds: dict[str, Any] = dict.fromkeys(FEATURES, pl.Float64)
    kinds |= {"vehicle_id": pl.String, "event_time": pl.Datetime("us", "UTC"), "note": pl.String}
    names = {name for row in rows for name in row}
    return pl.DataFrame(rows, schema={n: k for n, k in kinds.items() if n in names})


def said(parsed: Parsed) -> tuple[Any, ...]:
    rows = parsed.rows
    problems = {place: problem_of(error) for place, error in parsed.refused.items()}
    return (
        rows.vehicle_ids,
        nones(rows.features),
        rows.event_us,
        rows.ignored,
        parsed.places,
        problems,
    )


@given(st.lists(ROW, min_size=1, max_size=6))
def test_a_table_is_parsed_as_its_rows(rows: list[dict[str, Any]]) -> None:
    table = table_of(rows)
    plain = [{n: row[n] for n in table.columns if row.get(n) is not None} for row in rows]
    assert said(arrow.parse(table)) == said(parse_rows(plain))


@pytest.mark.parametrize(
    ("column", "values", "refused"),
    [
        ("avg_current", pl.Series([-2, -1], dtype=pl.Int8), []),
        ("avg_current", pl.Series([-2.0, -1.5], dtype=pl.Float32), []),
        ("avg_current", pl.Series([True, False]), [0, 1]),
        ("avg_current", pl.Series(["-2", None]), [0, 1]),
        ("avg_current", pl.Series([-2.0, None]), [1]),
        ("dod", pl.Series([None, None]), []),
        ("dod", pl.Series([50, None], dtype=pl.UInt16), []),
        ("vehicle_id", pl.Series(["A", "B"], dtype=pl.Categorical), []),
        ("vehicle_id", pl.Series([1, 2]), [0, 1]),
        ("event_time", pl.Series(["2025-01-01T00:00:00Z", None]), []),
        ("event_time", pl.Series([0, None]).cast(pl.Datetime("us")), [0]),
        ("event_time", pl.Series([datetime(2999, 1, 1, tzinfo=UTC), None]), [0]),
    ],
)
def test_columns_of_other_types(column: str, values: pl.Series, refused: list[int]) -> None:
    table = pl.DataFrame(
        {"vehicle_id": ["A", "B"], "discharge_time_s": [3600.0] * 2, "avg_current": [-1.8] * 2}
    ).with_columns(values.alias(column))
    parsed = arrow.parse(table)
    assert list(parsed.refused) == refused
    assert {error.reason for error in parsed.refused.values() if isinstance(error, InputError)} <= {
        "invalid", "missing"
    }  # fmt: skip


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_event_times_of_any_unit_and_zone(unit: Any) -> None:
    zone = timezone(timedelta(hours=1))
    stamp = datetime(2025, 3, 1, 12, tzinfo=zone)
    table = pl.DataFrame(
        {"vehicle_id": ["A"], "discharge_time_s": [3600.0], "avg_current": [-1.8]}
    ).with_columns(
        pl.Series("event_time", [stamp]).dt.cast_time_unit(unit).dt.convert_time_zone("Asia/Tokyo")
    )
    assert arrow.parse(table).rows.event_us == [int(stamp.timestamp() * 1e6)]


@pytest.mark.parametrize("stamp_ms", [2**62, 10**15])
def test_a_time_that_nobody_can_hold_is_malformed(stamp_ms: int) -> None:
    table = pl.DataFrame(
        {"vehicle_id": ["A"], "discharge_time_s": [3600.0], "avg_current": [-1.8]}
    ).with_columns(pl.Series("event_time", [stamp_ms]).cast(pl.Datetime("ms", "UTC")))
    with pytest.raises(InputError) as caught:
        arrow.parse(table)
    assert caught.value.reason == "malformed_body"


def test_a_reply_in_arrow_says_what_the_json_says() -> None:
    rows = [
        {"vehicle_id": "A", "discharge_time_s": 3600.0, "avg_current": -1.8, "rated_power_w": 20.0},
        {"vehicle_id": "B", "discharge_time_s": 3600.0, "avg_current": -1.8, "color": "red"},
        {"vehicle_id": "C", "discharge_time_s": 3600.0, "avg_current": -90.0},
    ]
    parsed = parse_rows(rows)
    answers = Predictor(Settings()).answer(parsed.rows, [(None, None)] * 3)
    error = InputError("avg_current", 0.0, "moves no charge", "send it", reason="no_current")
    table = pl.read_ipc_stream(io.BytesIO(arrow.write(answers, [0, 2, 3], {1: error})))
    assert table["index"].to_list() == [0, 1, 2, 3]
    assert table["reason"].to_list() == [None, "no_current", None, None]
    replies = [msgspec.to_builtins(reply) for reply in answers.replies()]
    got = table.filter(pl.col("reason").is_null()).to_dicts()
    for row, reply in zip(got, replies, strict=True):
        interval = reply["interval"] or {"low": None, "high": None}
        flat = reply | {"soh_low": interval["low"], "soh_high": interval["high"]}
        shared = row.keys() & flat.keys()
        assert len(shared) == 12
        assert {k: row[k] for k in shared} == {
            k: list(flat[k]) if k == "reasons" else flat[k] for k in shared
        }
