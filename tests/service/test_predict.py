"""The capacity test behind ``POST /predict``: physics, interval, doubts, refusals."""

import math
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.battery import Battery, Limits, Vehicle
from evitals.errors import EvitalsError, InputError
from evitals.estimators import capacity_test
from evitals.estimators.capacity_test import relative_error
from evitals.estimators.risk import RiskRule, first_statuses
from evitals.fleet.open import open_store
from evitals.fleet.records import VehicleRecord
from evitals.service.predict import (
    EPOCH,
    FEATURES,
    KNOWN,
    Answers,
    Known,
    Predictor,
    discharges_of,
    parse_predict,
    parse_rows,
    rows_of,
)
from evitals.service.routes.predict import REFERENCE_EXAMPLE
from evitals.service.schemas import PredictReply, PredictRequest
from evitals.settings import Settings

SETTINGS = Settings()
UNKNOWN: Known = (None, None)
LIMITS = Limits(
    cell_voltage_min_v=2.5,
    cell_voltage_max_v=4.2,
    discharge_current_a=10.0,
    charge_current_a=4.0,
)


def request(**changes: object) -> PredictRequest:
    fields = {
        "vehicle_id": "B0005",
        "discharge_time_s": 3600.0,
        "avg_current": -1.8,
        "avg_voltage": 3.5,
        "reference_capacity_ah": 2.0,
    }
    return msgspec.convert(fields | changes, PredictRequest)


def cell(**changes: Any) -> Vehicle:
    fields: dict[str, Any] = {
        "level": "cell",
        "chemistry": "NMC",
        "reference_capacity_ah": 2.5,
        "limits": LIMITS,
    }
    return Vehicle(vehicle_id="B0005", battery=Battery(**(fields | changes)))


def answers(sent: PredictRequest, known: Known = UNKNOWN, ignored: tuple[str, ...] = ()) -> Answers:
    """The answer to one request, a group of one. Raises what refuses it."""
    found = Predictor(SETTINGS).answer(rows_of([(sent, ignored)]), [known])
    for error in found.refused.values():
        raise error
    return found


def reply(sent: PredictRequest, vehicle: Vehicle | None = None) -> PredictReply:
    return answers(sent, (None, vehicle)).replies()[0]


def test_full_discharge_is_charge_moved_over_reference() -> None:
    test = reply(request())
    assert test.capacity_ah == pytest.approx(1.8)
    assert test.predicted_soh == pytest.approx(0.9)
    assert test.validity == "valid"
    assert test.reasons == ("full_discharge_assumed", "rated_power_missing")


def test_partial_discharge_is_scaled_by_dod() -> None:
    test = reply(request(dod=80.0, discharge_time_s=2880.0))
    assert test.capacity_ah == pytest.approx(1.8)
    assert "full_discharge_assumed" not in test.reasons


def test_interval_is_the_stated_error_model() -> None:
    sent = request(dod=80.0, current_std=0.09, discharge_time_s=2880.0)
    ripple = 1.6449 * 0.09 / 1.8 / math.sqrt(48)
    expected = math.sqrt(0.01**2 + ripple**2 + (0.5 / 80) ** 2)
    test = reply(sent)
    assert test.predicted_soh is not None
    assert test.interval is not None
    features = rows_of([(sent, ())]).features
    assert relative_error(discharges_of(features)) == pytest.approx(expected)
    assert test.interval.high == pytest.approx(test.predicted_soh * (1 + expected))
    assert test.interval.low == pytest.approx(test.predicted_soh * (1 - expected))


def test_reference_example_is_flagged_not_believed() -> None:
    parsed, ignored = parse_predict(msgspec.json.encode(REFERENCE_EXAMPLE))
    test = reply(parsed)
    assert test.predicted_soh == pytest.approx(1.98 * 3245.8 / 3600 / 0.785 / 2.0)
    assert test.validity == "doubtful"
    assert test.reasons == ("out_of_range", "reference_capacity_assumed", "rated_power_missing")
    assert ignored == ()


def test_soh_no_battery_can_have_is_unknown() -> None:
    test = reply(request(discharge_time_s=36000.0))
    assert test.predicted_soh is None
    assert test.interval is None
    assert test.validity == "unknown"
    assert test.reasons[0] == "out_of_range"
    assert test.capacity_ah == pytest.approx(18.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"avg_current": 1.8}, "positive_current"),
        ({"current_std": 0.5}, "not_constant_current"),
        ({"current_A_mean": -2.5}, "current_disagrees"),
        ({"dod": 10.0, "discharge_time_s": 360.0}, "low_dod"),
        ({"temperature_C_mean": -5.0}, "cold"),
        ({"avg_voltage": None}, "level_unchecked"),
        ({"reference_capacity_ah": None}, "reference_capacity_assumed"),
    ],
)
def test_what_makes_it_doubtful_is_named(changes: dict[str, object], reason: str) -> None:
    test = reply(request(**changes))
    assert test.validity == "doubtful"
    assert reason in test.reasons
    assert test.predicted_soh is not None


def test_description_supplies_what_the_request_lacks() -> None:
    test = reply(request(reference_capacity_ah=None), cell())
    assert test.reference_capacity_ah == 2.5
    assert test.predicted_soh == pytest.approx(1.8 / 2.5)
    assert "reference_capacity_assumed" not in test.reasons


@pytest.mark.parametrize("name", ["avg_voltage", "voltage_V_mean"])
def test_pack_voltage_is_the_wrong_level(name: str) -> None:
    with pytest.raises(InputError) as caught:
        reply(request(**{name: 360.0}))
    assert (caught.value.reason, caught.value.field) == ("wrong_level", name)


def test_vehicle_described_as_pack_is_the_wrong_level() -> None:
    pack = cell(level="pack", series=96, parallel=2)
    with pytest.raises(InputError, match="described as a pack"):
        reply(request(), pack)


def test_no_current_is_no_measurement() -> None:
    with pytest.raises(InputError) as caught:
        reply(request(avg_current=0.0))
    assert caught.value.reason == "no_current"


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"", "body", "malformed_body"),
        (b"{", "body", "malformed_body"),
        (b"[]", "body", "malformed_body"),
        (b"\xff\xfe{}", "body", "malformed_body"),
        (b"[" * 5000 + b"]" * 5000, "body", "malformed_body"),
        (b'{"vehicle_id": "a", "avg_current": NaN}', "body", "malformed_body"),
        (b'{"vehicle_id": "a", "avg_current": 1e999}', "body", "malformed_body"),
        (b'{"vehicle_id": "a", "discharge_time_s": 1}', "avg_current", "missing"),
        (b'{"avg_current": 1, "discharge_time_s": 1}', "vehicle_id", "missing"),
        (
            b'{"vehicle_id": "a", "discharge_time_s": 1, "avg_current": "1"}',
            "avg_current",
            "invalid",
        ),
        (
            b'{"vehicle_id": "a", "discharge_time_s": 1, "avg_current": 1e300}',
            "avg_current",
            "invalid",
        ),
        (
            b'{"vehicle_id": "a", "discharge_time_s": 1e40, "avg_current": 1}',
            "discharge_time_s",
            "invalid",
        ),
        (
            b'{"vehicle_id": "a\'; DROP TABLE x", "discharge_time_s": 1, "avg_current": 1}',
            "vehicle_id",
            "invalid",
        ),
        (
            b'{"vehicle_id": "line\\n", "discharge_time_s": 1, "avg_current": 1}',
            "vehicle_id",
            "invalid",
        ),
        (
            b'{"vehicle_id": "../../etc", "discharge_time_s": 1, "avg_current": 1}',
            "vehicle_id",
            "invalid",
        ),
    ],
)
def test_bad_bodies_name_the_field(body: bytes, field: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_predict(body)
    assert (caught.value.field, caught.value.reason) == (field, reason)


@pytest.mark.parametrize("stamp", ["1960-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_event_time_out_of_reach_is_refused(stamp: str) -> None:
    body = msgspec.json.encode(REFERENCE_EXAMPLE | {"event_time": stamp})
    with pytest.raises(InputError, match="event_time"):
        parse_predict(body)


def test_unknown_fields_are_named_not_used() -> None:
    parsed, ignored = parse_predict(msgspec.json.encode(REFERENCE_EXAMPLE | {"color": "red"}))
    assert ignored == ("color",)
    assert parsed == parse_predict(msgspec.json.encode(REFERENCE_EXAMPLE))[0]
    (answered,) = answers(parsed, ignored=ignored).replies()
    assert "ignored_fields" in answered.reasons
    assert answered.ignored == ("color",)


NUMBERS = st.floats(min_value=1 / 1024, max_value=1024.0, width=32)


@given(
    time_s=NUMBERS, current=NUMBERS, dod=st.none() | st.floats(1.0, 100.0, width=32), std=NUMBERS
)
def test_interval_holds_the_value_and_scales(
    time_s: float, current: float, dod: float | None, std: float
) -> None:
    sent = request(
        discharge_time_s=time_s,
        avg_current=-current,
        dod=dod,
        current_std=std,
        reference_capacity_ah=1e6,
    )
    test = reply(sent)
    assert test.predicted_soh is not None
    assert test.interval is not None
    assert 0.0 <= test.interval.low <= test.predicted_soh < test.interval.high
    doubled = reply(msgspec.structs.replace(sent, reference_capacity_ah=5e5))
    assert doubled.predicted_soh == pytest.approx(2 * test.predicted_soh)


def outcome_of(body: bytes) -> PredictRequest | InputError:
    try:
        return parse_predict(body)[0]
    except InputError as error:
        return error


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_parser_refuses_or_answers_but_never_breaks(body: bytes) -> None:
    outcome = outcome_of(body)
    assert isinstance(outcome, PredictRequest) or len(str(outcome)) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), JSON, max_size=6))
def test_wrong_types_are_refused_with_a_field(fields: dict[str, object]) -> None:
    outcome = outcome_of(msgspec.json.encode(fields))
    assert isinstance(outcome, PredictRequest) or outcome.field in {*KNOWN, "body"}


def test_a_stored_test_reproduces_its_answer(tmp_path: Path) -> None:
    parsed, _ = parse_predict(msgspec.json.encode(REFERENCE_EXAMPLE))
    answered = answers(parsed)
    with closing(open_store(tmp_path)) as store:
        store.submit(answered.batch).result()
        (trip,), (prediction,) = store.trips("V001", "1"), store.trend("V001")
    features = np.frombuffer(trip.features, dtype="<f4").reshape(1, len(FEATURES))
    again = capacity_test.measure(discharges_of(features))
    (said,) = answered.replies()
    assert said.interval is not None
    assert (again.soh[0], again.low[0], again.high[0]) == (
        said.predicted_soh,
        said.interval.low,
        said.interval.high,
    )
    assert trip.digest == prediction.trip_digest == said.trip_digest
    assert prediction.soh == pytest.approx(said.predicted_soh, abs=1e-4)
    assert (prediction.kind, trip.kind, trip.source) == ("test", "test", "predict")


def test_features_keep_missing_missing() -> None:
    features = dict(zip(FEATURES, rows_of([(request(dod=0.5), ())]).features[0], strict=True))
    known = {name for name, value in features.items() if not np.isnan(value)}
    assert known == {
        "discharge_time_s", "avg_current", "avg_voltage", "reference_capacity_ah", "dod"
    }  # fmt: skip
    assert features["dod"] == 0.5


def test_digest_is_of_content_and_time() -> None:
    stamp = datetime(2025, 1, 1, tzinfo=UTC)
    dated = request(event_time=stamp)
    first, second = (reply(dated) for _ in range(2))
    assert first.trip_digest == second.trip_digest
    assert first.event_time == stamp
    elsewhere = request(event_time=stamp.astimezone(timezone(timedelta(hours=2))))
    assert reply(elsewhere).trip_digest == first.trip_digest
    others: list[dict[str, Any]] = [
        {"dod": 50.0}, {"dod": 51.0}, {"vehicle_id": "B0006"}, {"vehicle_id": "B00050"},
        {"event_time": stamp + timedelta(microseconds=1)}, {"event_time": None},
    ]  # fmt: skip
    found = {reply(request(**({"event_time": stamp} | other))).trip_digest for other in others}
    assert len(found | {first.trip_digest}) == 7


def test_undated_rows_are_each_their_own() -> None:
    predictor = Predictor(SETTINGS)
    rows = rows_of([(request(), ())] * 500)
    found = {
        digest for _ in range(4) for digest in predictor.answer(rows, [UNKNOWN] * 500).rows.digests
    }
    assert len(found) == 2000


def test_only_an_unknown_vehicle_is_recorded() -> None:
    assert answers(request()).batch.vehicles[0].description is None
    known = VehicleRecord(vehicle_id="B0005", battery_id="7", description=None, described_s=0)
    answered = answers(request(), (known, None))
    assert answered.batch.vehicles == ()
    assert answered.rows.battery_ids == ["7"]


DRAWN = st.fixed_dictionaries(
    {
        "vehicle_id": st.sampled_from(["B1", "cell", "pack", "LFP", "no id!"]),
        "discharge_time_s": st.floats(0.0, 4e4, width=32),
        "avg_current": st.sampled_from([0.0, -1.8, 1.8, -30.0, 4000.0]),
    },
    optional={
        "avg_voltage": st.sampled_from([3.5, 360.0]),
        "voltage_V_mean": st.sampled_from([3.5, 360.0]),
        "current_std": st.floats(0.0, 3.0),
        "current_A_mean": st.floats(-2.0, 2.0),
        "temperature_C_mean": st.floats(-50.0, 90.0),
        "dod": st.floats(0.0, 120.0),
        "reference_capacity_ah": st.sampled_from([2.0, 2.5, 1e9]),
        "rated_power_w": st.sampled_from([20.0, 1e9]),
        "event_time": st.sampled_from(["2025-01-01T00:00:00Z", "1950-01-01T00:00:00Z", "soon"]),
        "color": st.just("red"),
    },
)  # fmt: skip
VEHICLES: dict[str, Known] = {
    "cell": (None, cell(rated_power_w=20.0)),
    "pack": (None, cell(level="pack", series=96, parallel=2)),
    "LFP": (None, cell(chemistry="LFP", rated_power_w=20.0)),
}


def outcomes(sent: list[dict[str, Any]]) -> dict[int, PredictReply | str]:
    """Each row's answer (without what its arrival says) or problem, by place."""
    parsed = parse_rows(sent)
    refused: dict[int, EvitalsError] = dict(parsed.refused)
    known = [VEHICLES.get(name, UNKNOWN) for name in parsed.rows.vehicle_ids]
    found = Predictor(SETTINGS).answer(parsed.rows, known)
    refused |= {parsed.places[place]: error for place, error in found.refused.items()}
    said: dict[int, PredictReply | str] = {place: str(error) for place, error in refused.items()}
    for place, answer in zip(found.places, found.replies(), strict=True):
        sent_time = sent[parsed.places[place]].get("event_time")
        bare = {} if sent_time else {"event_time": EPOCH, "trip_digest": ""}
        said[parsed.places[place]] = msgspec.structs.replace(answer, **bare)
    return said


@given(st.lists(DRAWN, min_size=1, max_size=8))
def test_rows_together_equal_each_alone(sent: list[dict[str, Any]]) -> None:
    together = outcomes(sent)
    assert together == {place: outcomes([row])[0] for place, row in enumerate(sent)}


@given(st.lists(st.tuples(st.floats(0.0, 1.5), st.none() | st.floats(0.0, 2.0)), min_size=1))
def test_first_statuses_are_the_rule_s(drawn: list[tuple[float, float | None]]) -> None:
    soh = np.array([value for value, _ in drawn])
    score = np.array([np.nan if value is None else value for _, value in drawn])
    assert first_statuses(SETTINGS, soh, score) == [
        RiskRule(SETTINGS).step(*pair, new_evidence=True) for pair in drawn
    ]


@pytest.mark.parametrize(
    ("soh", "rated_power_w", "status"),
    [
        (1.5, None, "Unknown"),
        (0.95, None, "Healthy"),
        (0.79, None, "Monitor"),
        (0.69, None, "Priority Maintenance"),
        (0.95, 60.0, "Healthy"),
        (0.95, 1000.0, "Priority Maintenance"),
        (0.75, 5.0, "Monitor"),
    ],
)
def test_status_is_the_worse_of_score_and_soh(
    soh: float, rated_power_w: float | None, status: str
) -> None:
    sent = request(discharge_time_s=3600.0 * soh * 2.0 / 1.8, rated_power_w=rated_power_w)
    assert reply(sent).status == status


def test_model_digest_changes_with_its_rules() -> None:
    other = Settings(soh_monitor=0.85)
    assert Predictor(SETTINGS).model.digest == Predictor(Settings()).model.digest
    assert Predictor(SETTINGS).model.digest != Predictor(other).model.digest


def test_without_rated_power_sop_and_score_are_null_with_the_reason() -> None:
    said = reply(request())
    assert said.predicted_sop is None
    assert said.health_score is None
    assert "rated_power_missing" in said.reasons
    assert said.status == "Healthy"


def test_score_follows_from_the_reply_by_the_stated_formula() -> None:
    said = reply(request(rated_power_w=60.0))
    assert said.predicted_soh is not None
    assert said.predicted_sop is not None
    assert said.health_score == pytest.approx(
        (1 - said.predicted_soh) + (1 - said.predicted_sop / 60.0)
    )
    assert {"chemistry_assumed", "resistance_not_measured"} <= set(said.reasons)
    assert said.sop_interval is not None
    assert said.sop_interval.low <= said.predicted_sop <= said.sop_interval.high


def test_sop_is_clipped_to_rated_power() -> None:
    said = reply(request(rated_power_w=5.0))
    assert said.predicted_sop == 5.0
    assert said.health_score == pytest.approx(0.1, abs=1e-6)


def test_sop_scales_with_the_cell() -> None:
    small, large = (
        reply(
            request(rated_power_w=1e6, reference_capacity_ah=size, discharge_time_s=1800.0 * size)
        ).predicted_sop
        for size in (2.0, 20.0)
    )
    assert small is not None
    assert large == pytest.approx(10 * small, rel=1e-3)


def test_chemistry_without_tables_has_no_sop() -> None:
    vehicle = cell(chemistry="LFP", rated_power_w=20.0)
    said = reply(request(), vehicle)
    assert said.predicted_sop is None
    assert said.health_score is None
    assert "unsupported_chemistry" in said.reasons
    assert "chemistry_assumed" not in said.reasons


def nasa(public_data: Path, cells: list[str]) -> list[dict[str, Any]]:
    table = pl.read_parquet(public_data / "nasa_pcoe" / "discharge_features.parquet")
    names = [name for name in KNOWN if name in table.columns]
    rows = table.filter(pl.col("cell").is_in(cells) & (pl.col("capacity") > 0))
    return rows.select("cell", "capacity", *names).to_dicts()


@pytest.mark.data
def test_on_public_cells_it_equals_the_best_simple_baseline(public_data: Path) -> None:
    """No model, mean current times time: 0.0114 Ah on four cells, of which three are visible."""
    errors, covered = [], []
    for row in nasa(public_data, ["B0005", "B0006", "B0007"]):
        capacity = row.pop("capacity")
        sent = msgspec.convert(
            row | {"vehicle_id": row.pop("cell"), "dod": None, "reference_capacity_ah": 2.0},
            PredictRequest,
        )
        test = reply(sent)
        assert test.interval is not None
        errors.append(abs(test.capacity_ah - capacity))
        covered.append(test.interval.low <= capacity / 2.0 <= test.interval.high)
    assert len(errors) > 450
    assert sum(errors) / len(errors) < 0.0125
    assert sum(covered) / len(covered) > 0.9


@pytest.mark.data
def test_a_dod_computed_from_the_reference_capacity_is_noticed(public_data: Path) -> None:
    """The trap of the reference's own features: dod = charge / 2 Ah, so SoH would always be 1."""
    for row in nasa(public_data, ["B0005"])[:20]:
        sent = {name: value for name, value in row.items() if name in KNOWN}
        test = reply(msgspec.convert(sent | {"vehicle_id": "B0005"}, PredictRequest))
        assert test.predicted_soh == pytest.approx(1.0, abs=0.005)
        assert "dod_matches_reference" in test.reasons


@pytest.mark.parametrize(
    "name", ["discharge_time_s", "dod", "reference_capacity_ah", "rated_power_w"]
)
def test_what_float32_would_make_0_is_refused(name: str) -> None:
    body = {"vehicle_id": "B1", "discharge_time_s": 3600.0, "avg_current": -2.0, name: 5e-324}
    with pytest.raises(InputError) as refused:
        parse_predict(msgspec.json.encode(body))
    assert refused.value.field == name


def test_a_discharge_cut_short_is_no_valid_capacity() -> None:
    test = reply(request(discharge_time_s=60.0, avg_current=-2.0))
    assert test.predicted_soh == pytest.approx(1 / 60)
    assert test.validity == "doubtful"
    assert "out_of_range" in test.reasons


def test_a_body_that_is_no_json_is_shown() -> None:
    with pytest.raises(InputError, match="'vehicle_id=V1' cannot be decoded"):
        parse_predict(b"vehicle_id=V1")
