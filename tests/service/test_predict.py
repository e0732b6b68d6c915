"""The capacity test behind ``POST /predict``: physics, interval, doubts, refusals."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.battery import Battery, Limits, Vehicle
from evitals.errors import InputError
from evitals.estimators.capacity_test import relative_error
from evitals.fleet.records import VehicleRecord
from evitals.service.predict import (
    KNOWN,
    Predictor,
    discharge_of,
    features_of,
    measure,
    parse_predict,
    request_digest,
    request_of,
    rounded,
)
from evitals.service.routes.predict import REFERENCE_EXAMPLE
from evitals.service.schemas import PredictRequest
from evitals.settings import Settings

SETTINGS = Settings()
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


def test_full_discharge_is_charge_moved_over_reference() -> None:
    test = measure(request())
    assert test.capacity_ah == pytest.approx(1.8)
    assert test.soh.value == pytest.approx(0.9)
    assert test.soh.validity == "valid"
    assert test.soh.reasons == ("full_discharge_assumed",)


def test_partial_discharge_is_scaled_by_dod() -> None:
    test = measure(request(dod=80.0, discharge_time_s=2880.0))
    assert test.capacity_ah == pytest.approx(1.8)
    assert "full_discharge_assumed" not in test.soh.reasons


def test_interval_is_the_stated_error_model() -> None:
    sent = request(dod=80.0, current_std=0.09, discharge_time_s=2880.0)
    ripple = 1.6449 * 0.09 / 1.8 / math.sqrt(48)
    expected = math.sqrt(0.01**2 + ripple**2 + (0.5 / 80) ** 2)
    soh = measure(sent).soh
    assert soh.value is not None
    assert relative_error(discharge_of(sent)) == pytest.approx(expected)
    assert soh.high == pytest.approx(soh.value * (1 + expected))
    assert soh.low == pytest.approx(soh.value * (1 - expected))


def test_reference_example_is_flagged_not_believed() -> None:
    parsed, ignored = parse_predict(msgspec.json.encode(REFERENCE_EXAMPLE))
    soh = measure(parsed).soh
    assert soh.value == pytest.approx(1.98 * 3245.8 / 3600 / 0.785 / 2.0)
    assert soh.validity == "doubtful"
    assert set(soh.reasons) == {"out_of_range", "reference_capacity_assumed"}
    assert ignored == ()


def test_soh_no_battery_can_have_is_unknown() -> None:
    test = measure(request(discharge_time_s=36000.0))
    assert test.soh.value is None
    assert test.soh.validity == "unknown"
    assert test.soh.reasons[0] == "out_of_range"
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
    soh = measure(request(**changes)).soh
    assert soh.validity == "doubtful"
    assert reason in soh.reasons
    assert soh.value is not None


def test_description_supplies_what_the_request_lacks() -> None:
    test = measure(request(reference_capacity_ah=None), cell())
    assert test.reference_capacity_ah == 2.5
    assert test.soh.value == pytest.approx(1.8 / 2.5)
    assert "reference_capacity_assumed" not in test.soh.reasons


@pytest.mark.parametrize("name", ["avg_voltage", "voltage_V_mean"])
def test_pack_voltage_is_the_wrong_level(name: str) -> None:
    with pytest.raises(InputError) as caught:
        measure(request(**{name: 360.0}))
    assert (caught.value.reason, caught.value.field) == ("wrong_level", name)


def test_vehicle_described_as_pack_is_the_wrong_level() -> None:
    pack = cell(level="pack", series=96, parallel=2)
    with pytest.raises(InputError, match="described as a pack"):
        measure(request(), pack)


def test_no_current_is_no_measurement() -> None:
    with pytest.raises(InputError) as caught:
        measure(request(avg_current=0.0))
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
    answered = Predictor(SETTINGS).answer(parsed, ignored, None, None)
    assert "ignored_fields" in answered.reply.reasons


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
    soh = measure(sent).soh
    assert soh.value is not None
    assert soh.low is not None
    assert soh.high is not None
    assert 0.0 <= soh.low <= soh.value < soh.high
    doubled = measure(msgspec.structs.replace(sent, reference_capacity_ah=5e5)).soh
    assert doubled.value == pytest.approx(2 * soh.value)


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


def test_a_stored_test_reproduces_its_answer() -> None:
    predictor = Predictor(SETTINGS)
    parsed, _ = parse_predict(msgspec.json.encode(REFERENCE_EXAMPLE))
    answered = predictor.answer(parsed, (), None, None)
    trip, prediction = answered.batch.trips[0], answered.batch.predictions[0]
    again = measure(request_of(trip.features, trip.vehicle_id))
    assert (again.soh.value, again.soh.low, again.soh.high) == (
        prediction.soh,
        prediction.soh_low,
        prediction.soh_high,
    )
    assert trip.digest == prediction.trip_digest == answered.reply.trip_digest
    assert prediction.kind == "test"


def test_features_keep_missing_missing() -> None:
    sent = rounded(request())
    assert request_of(features_of(sent), "B0005") == sent


def test_digest_is_of_content_and_time() -> None:
    stamp = datetime(2025, 1, 1, tzinfo=UTC)
    predictor = Predictor(SETTINGS)
    dated = request(event_time=stamp)
    first, second = (predictor.answer(dated, (), None, None).reply for _ in range(2))
    assert first.trip_digest == second.trip_digest
    assert first.event_time == stamp
    undated = [predictor.answer(request(), (), None, None).reply for _ in range(2)]
    assert undated[0].trip_digest != undated[1].trip_digest
    assert request_digest(request(dod=50.0), "x") != request_digest(request(dod=51.0), "x")


def test_only_an_unknown_vehicle_is_recorded() -> None:
    predictor = Predictor(SETTINGS)
    assert predictor.answer(request(), (), None, None).batch.vehicles[0].description is None
    known = VehicleRecord(vehicle_id="B0005", battery_id="7", description=None, described_s=0)
    answered = predictor.answer(request(), (), known, None)
    assert answered.batch.vehicles == ()
    assert answered.batch.predictions[0].battery_id == "7"


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
    assert Predictor(SETTINGS).answer(sent, (), None, None).reply.status == status


def test_model_digest_changes_with_its_rules() -> None:
    other = Settings(soh_monitor=0.85)
    assert Predictor(SETTINGS).model.digest == Predictor(Settings()).model.digest
    assert Predictor(SETTINGS).model.digest != Predictor(other).model.digest


def test_without_rated_power_sop_and_score_are_null_with_the_reason() -> None:
    reply = Predictor(SETTINGS).answer(request(), (), None, None).reply
    assert reply.predicted_sop is None
    assert reply.health_score is None
    assert "rated_power_missing" in reply.reasons
    assert reply.status == "Healthy"


def test_score_follows_from_the_reply_by_the_stated_formula() -> None:
    reply = Predictor(SETTINGS).answer(request(rated_power_w=60.0), (), None, None).reply
    assert reply.predicted_soh is not None
    assert reply.predicted_sop is not None
    assert reply.health_score == pytest.approx(
        (1 - reply.predicted_soh) + (1 - reply.predicted_sop / 60.0)
    )
    assert {"chemistry_assumed", "resistance_not_measured"} <= set(reply.reasons)
    assert reply.sop_interval is not None
    assert reply.sop_interval.low <= reply.predicted_sop <= reply.sop_interval.high


def test_sop_is_clipped_to_rated_power() -> None:
    reply = Predictor(SETTINGS).answer(request(rated_power_w=5.0), (), None, None).reply
    assert reply.predicted_sop == 5.0
    assert reply.health_score == pytest.approx(0.1, abs=1e-6)


def test_sop_scales_with_the_cell() -> None:
    small, large = (
        Predictor(SETTINGS)
        .answer(
            request(rated_power_w=1e6, reference_capacity_ah=size, discharge_time_s=1800.0 * size),
            (),
            None,
            None,
        )
        .reply.predicted_sop
        for size in (2.0, 20.0)
    )
    assert small is not None
    assert large == pytest.approx(10 * small, rel=1e-3)


def test_chemistry_without_tables_has_no_sop() -> None:
    vehicle = cell(chemistry="LFP", rated_power_w=20.0)
    reply = Predictor(SETTINGS).answer(request(), (), None, vehicle).reply
    assert reply.predicted_sop is None
    assert reply.health_score is None
    assert "unsupported_chemistry" in reply.reasons
    assert "chemistry_assumed" not in reply.reasons


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
        test = measure(sent)
        assert test.soh.low is not None
        assert test.soh.high is not None
        errors.append(abs(test.capacity_ah - capacity))
        covered.append(test.soh.low <= capacity / 2.0 <= test.soh.high)
    assert len(errors) > 450
    assert sum(errors) / len(errors) < 0.0125
    assert sum(covered) / len(covered) > 0.9


@pytest.mark.data
def test_a_dod_computed_from_the_reference_capacity_is_noticed(public_data: Path) -> None:
    """The trap of the reference's own features: dod = charge / 2 Ah, so SoH would always be 1."""
    for row in nasa(public_data, ["B0005"])[:20]:
        sent = {name: value for name, value in row.items() if name in KNOWN}
        test = measure(msgspec.convert(sent | {"vehicle_id": "B0005"}, PredictRequest))
        assert test.soh.value == pytest.approx(1.0, abs=0.005)
        assert "dod_matches_reference" in test.soh.reasons


@pytest.mark.parametrize(
    "name", ["discharge_time_s", "dod", "reference_capacity_ah", "rated_power_w"]
)
def test_what_float32_would_make_0_is_refused(name: str) -> None:
    body = {"vehicle_id": "B1", "discharge_time_s": 3600.0, "avg_current": -2.0, name: 5e-324}
    with pytest.raises(InputError) as refused:
        parse_predict(msgspec.json.encode(body))
    assert refused.value.field == name


def test_a_discharge_cut_short_is_no_valid_capacity() -> None:
    soh = measure(request(discharge_time_s=60.0, avg_current=-2.0)).soh
    assert soh.value == pytest.approx(1 / 60)
    assert soh.validity == "doubtful"
    assert "out_of_range" in soh.reasons


def test_a_body_that_is_no_json_is_shown() -> None:
    with pytest.raises(InputError, match="'vehicle_id=V1' cannot be decoded"):
        parse_predict(b"vehicle_id=V1")
