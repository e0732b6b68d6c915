"""Risk score and status: one formula, thresholds, hysteresis, evidence in a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.estimators.answer import Status
from evitals.estimators.risk import SEVERITY, RiskRule, risk_score
from evitals.settings import Settings

SETTINGS = Settings()
fraction = st.floats(0.0, 1.2)


def status(soh: float | None, score: float | None, settings: Settings = SETTINGS) -> Status:
    return RiskRule(settings).step(soh, score, new_evidence=True)


def test_score_is_the_formula() -> None:
    assert risk_score(0.9, 80_000.0, 100_000.0) == pytest.approx(0.3)
    assert risk_score(0.6, 0.0, 100_000.0) == pytest.approx(1.4)
    assert risk_score(1.03, 120_000.0, 100_000.0) == 0.0


@pytest.mark.parametrize("parts", [(None, 1.0, 1.0), (0.9, None, 1.0), (0.9, 1.0, None)])
def test_score_is_unknown_without_its_parts(
    parts: tuple[float | None, float | None, float | None],
) -> None:
    assert risk_score(*parts) is None


@pytest.mark.parametrize(
    ("soh", "score", "expected"),
    [
        (0.95, 0.1, "Healthy"),
        (0.95, 0.5, "Monitor"),
        (0.95, 0.8, "Priority Maintenance"),
        (0.79, 0.21, "Monitor"),
        (0.69, 0.31, "Priority Maintenance"),
        (0.79, None, "Monitor"),
        (0.95, None, "Healthy"),
        (0.80, None, "Healthy"),
        (0.70, None, "Monitor"),
        (None, 0.9, "Unknown"),
    ],
)
def test_first_status_by_the_thresholds(
    soh: float | None, score: float | None, expected: Status
) -> None:
    assert status(soh, score) == expected


def test_a_change_needs_answers_in_a_row_with_evidence() -> None:
    rule = RiskRule(SETTINGS)
    rule.step(0.82, None, new_evidence=True)
    for _ in range(10):
        assert rule.step(0.78, None, new_evidence=False) == "Healthy"
    assert rule.step(0.78, None, new_evidence=True) == "Healthy"
    assert rule.step(0.78, None, new_evidence=True) == "Healthy"
    assert rule.step(0.82, None, new_evidence=True) == "Healthy"
    seen = [rule.step(0.78, None, new_evidence=True) for _ in range(3)]
    assert seen == ["Healthy", "Healthy", "Monitor"]


def test_it_improves_only_beyond_the_hysteresis() -> None:
    rule = RiskRule(SETTINGS)
    rule.step(0.78, None, new_evidence=True)
    for _ in range(10):
        assert rule.step(0.81, None, new_evidence=True) == "Monitor"
    for _ in range(3):
        last = rule.step(0.83, None, new_evidence=True)
    assert last == "Healthy"


def test_noise_about_a_threshold_does_not_flutter() -> None:
    rule = RiskRule(SETTINGS)
    seen = [rule.step(0.80 + d, None, new_evidence=True) for d in (0.01, -0.005) * 30]
    assert len({*seen}) == 1


def test_settings_move_the_thresholds() -> None:
    strict = Settings(soh_monitor=0.95, soh_priority=0.9)
    assert status(0.94, None, strict) == "Monitor"
    assert status(0.89, None, strict) == "Priority Maintenance"


@given(fraction, fraction, st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_worse_never_looks_better(a: float, b: float, s: float, t: float) -> None:
    worse = status(min(a, b), max(s, t))
    better = status(max(a, b), min(s, t))
    assert SEVERITY.index(worse) >= SEVERITY.index(better)


@given(st.lists(st.tuples(fraction, st.booleans()), max_size=30), st.integers(0, 30))
def test_resumes_from_its_state(steps: list[tuple[float, bool]], at: int) -> None:
    whole, part, resumed = (RiskRule(SETTINGS) for _ in range(3))
    seen = [whole.step(soh, None, new_evidence=new) for soh, new in steps]
    for soh, new in steps[:at]:
        part.step(soh, None, new_evidence=new)
    resumed.restore(part.state())
    assert [resumed.step(soh, None, new_evidence=new) for soh, new in steps[at:]] == seen[at:]


def test_foreign_state_is_refused() -> None:
    with pytest.raises(InputError, match="risk rule"):
        RiskRule(SETTINGS).restore({"status": "fine"})
