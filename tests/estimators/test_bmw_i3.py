"""Real drives of a BMW i3 60 Ah: capacity near what everyone finds, and the false trip refused."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from evitals.battery import describe
from evitals.estimators.answer import Answer, Evidence, Method, Segment
from evitals.estimators.assessor import Assessor
from evitals.features import INDEX, as_dict, extract, pack

from .made_up import interval, known

pytestmark = pytest.mark.data
I3 = describe("bmw-i3-60ah")


def columns(table: pl.DataFrame, soc: str = "soc") -> dict[str, np.ndarray]:
    def floats(name: str) -> np.ndarray:
        return table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()

    return {
        "time_s": floats("time_s"),
        "current_a": floats("current_A"),
        "voltage_v": floats("voltage_V"),
        "temperature_degc": floats("temperature_C"),
        "soc": floats(soc),
        "speed_mps": floats("speed_kmh") / 3.6,
    }


@pytest.fixture(scope="module")
def trips(public_data: Path) -> dict[str, pl.DataFrame]:
    table = pl.read_parquet(public_data / "bmw_i3_trips" / "trips_1hz.parquet")
    return {str(part["trip_id"][0]): part for part in table.partition_by("trip_id")}


@pytest.fixture(scope="module")
def segments(trips: dict[str, pl.DataFrame]) -> list[Segment]:
    assert I3.undated_start is not None
    return [
        Segment(
            kind="drive",
            event_s=int((I3.undated_start + timedelta(hours=2 * k)).timestamp()),
            event_assumed=True,
            duration_s=float(part["time_s"][-1]),
            continues=False,
            digest=name,
            features=extract(columns(part), I3.battery),
        )
        for k, (name, part) in enumerate(trips.items())
    ]


@pytest.fixture(scope="module")
def answers(segments: list[Segment]) -> dict[str, Answer]:
    return dict(zip((s.digest for s in segments), Assessor(I3.battery).run(segments), strict=True))


def evidence(answers: dict[str, Answer], method: Method) -> dict[str, Evidence]:
    return {name: e for name, a in answers.items() for e in a.evidence if e.method == method}


def test_capacity_from_soc(answers: dict[str, Answer]) -> None:
    last = list(answers.values())[-1]
    c = last.capacity_ah
    low, value, high = interval(c)
    assert 61.0 <= value <= 62.5
    assert c.source == "bms_soc"
    assert 1.0 <= high - low <= 4.0
    assert low < 61.7 < high


def test_every_long_trip_agrees(answers: dict[str, Answer]) -> None:
    made = {n: e for n, e in evidence(answers, "bms_soc").items() if not e.refused}
    assert len(made) >= 45
    assert all(61.2 <= known(e.capacity_ah) <= 62.8 for e in made.values())
    assert all(abs(known(e.delta_soc)) > 0.049 for e in made.values())


def test_the_false_trip_is_refused_with_its_reason(answers: dict[str, Answer]) -> None:
    bms = evidence(answers, "bms_soc")
    assert bms["TripB02"].refused == "soc_inconsistent"
    assert bms["TripB13"].refused == "low_delta_soc"
    refused = {n: e.refused for n, e in bms.items() if e.refused}
    assert len(refused) <= 6, refused


def test_no_rest_no_ocv(answers: dict[str, Answer]) -> None:
    last = list(answers.values())[-1]
    assert last.capacity["ocv"].value is None
    assert last.capacity["ocv"].reasons == ("no_rest",)
    assert last.soh.reasons == ("bms_soc_only",)
    assert interval(last.soh).width > 0.08
    assert last.status == "Healthy"


def test_resistance_of_every_trip_is_measured(segments: list[Segment]) -> None:
    warm = [
        known(f["resistance_ohm"])
        for f in (as_dict(s.features) for s in segments)
        if f["resistance_temperature_degc"] and f["resistance_temperature_degc"] > 20.0
    ]
    assert len(warm) > 10
    assert 0.05 < np.median(warm) < 0.12


def test_the_shown_soc_would_give_another_battery(trips: dict[str, pl.DataFrame]) -> None:
    if trips["TripA01"]["soc_displayed"].null_count() == trips["TripA01"].height:
        pytest.fail("the shown SoC is absent from the visible trips")
    whole = [as_dict(extract(columns(p, "soc_displayed"), I3.battery)) for p in trips.values()]
    found = [f["soc_capacity_ah"] for f in whole if f["soc_capacity_ah"] is not None]
    assert np.median(found) < 56.0


def test_features_of_a_trip_take_about_110_bytes(segments: list[Segment]) -> None:
    sizes = [len(pack(s.features)) for s in segments]
    assert np.mean(sizes) <= 112


def test_soc_that_ends_early_is_used_as_far_as_it_goes(segments: list[Segment]) -> None:
    cut = [s for s in segments if s.features[INDEX["missing_soc"]] > 0.05]
    assert cut
    for s in cut:
        f = as_dict(s.features)
        assert known(f["soc_duration_s"]) < known(f["duration_s"])
