"""The fold over a battery's segments: whole answers, checkpoints, and what moves the digest."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from evitals.errors import InputError
from evitals.estimators import health
from evitals.estimators.answer import Segment
from evitals.estimators.assessor import Assessor, model_digest
from evitals.estimators.risk import risk_score
from evitals.settings import Settings

from .made_up import drive, interval, known, outing, pack, rest

PACK = pack()


def history(days: int = 8, **changes: Any) -> list[Segment]:
    return [s for d in range(days) for s in outing(PACK, d, **changes)]


def test_a_history_gives_health_power_and_status() -> None:
    answer = Assessor(PACK).run(history(true_capacity=54.0, believed=54.0))[-1]
    assert answer.soh.value == pytest.approx(0.9, abs=0.02)
    soh = interval(answer.soh)
    assert soh.low < 0.9 < soh.high
    assert set(answer.capacity) == {"bms_soc", "ocv", "bms_rest"}
    assert answer.capacity["bms_soc"].value == pytest.approx(54.0, rel=0.02)
    assert answer.capacity["ocv"].value == pytest.approx(54.0, rel=0.02)
    assert abs(known(answer.capacity_disagreement)) < 0.03
    assert answer.evidence_count == 16
    assert 0.0 < known(answer.reference_sop_w.value) <= 125_000.0
    assert answer.risk_score == risk_score(answer.soh.value, answer.reference_sop_w.value, 125e3)
    assert answer.status == "Healthy"
    assert len(answer.live_sop) == 6
    assert answer.temperature_degc == pytest.approx(22.0)


def test_the_methods_stay_apart_and_their_disagreement_is_shown() -> None:
    answer = Assessor(PACK).run(history(12, true_capacity=51.0, believed=53.0))[-1]
    assert answer.capacity["bms_soc"].value == pytest.approx(53.0, rel=0.01)
    assert answer.capacity["ocv"].value == pytest.approx(51.0, rel=0.01)
    assert answer.capacity_disagreement == pytest.approx(53.0 / 51.0 - 1.0, abs=0.01)
    soh = interval(answer.soh)
    assert soh.low < 51.0 / 60.0 < soh.value < 53.0 / 60.0


def test_capacity_is_the_method_with_the_narrower_interval() -> None:
    answer = Assessor(PACK).run(history())[-1]
    widths = {m: interval(e).width for m, e in answer.capacity.items() if e.value is not None}
    assert answer.capacity_ah.source == min(widths, key=lambda m: widths[m])


def test_nothing_is_known_at_first() -> None:
    answer = Assessor(PACK).step(drive(PACK))
    assert answer.soh.value is None
    assert answer.status == "Unknown"
    assert answer.risk_score is None
    assert answer.capacity["ocv"].reasons == ("no_rest",)
    assert [e.method for e in answer.evidence] == ["bms_soc", "ocv"]


def test_unknown_soc_or_temperature_leaves_live_power_unknown() -> None:
    bare = drive(PACK)
    bare.features[:] = np.nan
    answer = Assessor(PACK).step(bare)
    assert answer.live_sop == ()
    assert answer.live_sop_reasons == ("no_soc", "no_temperature")
    assert answer.evidence[0].refused == "no_current"


def test_without_rated_power_there_is_no_score_but_a_status() -> None:
    battery = structs.replace(PACK, rated_power_w=None)
    answer = Assessor(battery).run(history(believed=45.0))[-1]
    assert answer.risk_score is None
    assert "no_rated_power" in answer.reasons
    assert answer.status == "Monitor"


def test_a_chemistry_without_tables_still_has_health_from_the_bms() -> None:
    lfp = pack("LFP")
    answer = Assessor(lfp).run([drive(lfp, d) for d in range(6)])[-1]
    assert answer.soh.value == pytest.approx(0.9, abs=0.02)
    assert answer.capacity["ocv"].reasons == ("unsupported_chemistry",)
    assert answer.reference_sop_w.value is None
    assert "unsupported_chemistry" in answer.reference_sop_w.reasons
    assert answer.live_sop_reasons == ("unsupported_chemistry",)
    assert answer.risk_score is None
    assert answer.status == "Healthy"


def test_assumed_start_is_said() -> None:
    s = structs.replace(drive(PACK), event_assumed=True)
    assert "start_assumed" in Assessor(PACK).step(s).reasons


def test_live_power_may_be_left_out() -> None:
    whole = Assessor(PACK).run(history(4))[-1]
    short = Assessor(PACK).run(history(4), live=False)[-1]
    assert short.live_sop == ()
    assert short.live_sop_reasons == ("not_asked",)
    same = structs.replace(short, live_sop=whole.live_sop, live_sop_reasons=whole.live_sop_reasons)
    assert same == whole


def test_shuffled_and_repeated_segments_end_alike_after_sorting() -> None:
    segments = history(5)
    straight = Assessor(PACK)
    straight.run(segments)
    known = {s.digest: s for s in [*reversed(segments), *segments[3:7]]}
    replay = Assessor(PACK)
    replay.run(sorted(known.values(), key=lambda s: s.event_s))
    assert replay.state() == straight.state()


HISTORY = [*history(4), rest(PACK, 0.5, 5), drive(PACK, 6), drive(PACK, 7, findings=("sign_flip",))]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, len(HISTORY)))
def test_a_checkpoint_as_json_changes_nothing(at: int) -> None:
    whole = Assessor(PACK)
    answers = whole.run(HISTORY)
    first, second = Assessor(PACK), Assessor(PACK)
    first.run(HISTORY[:at])
    second.restore(json.loads(json.dumps(first.state())))
    assert second.run(HISTORY[at:]) == answers[at:]
    assert second.state() == whole.state()


def test_foreign_vectors_and_states_are_refused() -> None:
    short = structs.replace(drive(PACK), features=np.zeros(3, dtype=np.float32))
    with pytest.raises(InputError, match="features"):
        Assessor(PACK).step(short)
    with pytest.raises(InputError, match="assessor"):
        Assessor(PACK).restore({"health": {}})
    with pytest.raises(InputError, match="backward"):
        Assessor(PACK).run([drive(PACK, 3), drive(PACK, 1)])


def test_the_digest_follows_all_that_decides_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    base = model_digest(PACK, Settings())
    assert base == model_digest(pack(), Settings())
    assert len(base) == 64
    assert base != model_digest(pack(reference_capacity_ah=61.0), Settings())
    assert base != model_digest(pack("NCA"), Settings())
    assert base != model_digest(PACK, Settings(soh_monitor=0.81))
    assert base == model_digest(PACK, Settings(port=1234))
    model_digest.cache_clear()
    monkeypatch.setattr(health, "FADE_PER_YEAR", 0.03)
    assert base != model_digest(PACK, Settings())
    model_digest.cache_clear()
