"""docs/health.md names every reason, and the figures it prints are the stored ones."""

import json
from pathlib import Path

from evitals.estimators.capacity import REASONS
from evitals.service.witness import TARGET_COVERAGE, TARGET_MAE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "health.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "benchmarks" / "results" / "health.json").read_text(encoding="utf-8"))


def test_every_reason_is_explained() -> None:
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in PAGE, reason


PARTS = [(name, when) for name in ("with_rests", "without_rests") for when in ("early", "end")]


def test_the_stored_scores_are_of_enough_vehicles_and_untuned_seeds() -> None:
    for name in ("with_rests", "without_rests", "faulty"):
        scored = RESULT[name]
        assert scored["seed"] not in RESULT["tuning_seeds"]
        assert scored["days"] >= 3 * 365
        assert scored["end"]["answered"] == scored["vehicles"] >= 480
    assert RESULT["with_rests"]["vehicles"] >= 500
    assert len(RESULT["faulty"]["by_fault"]) == 12


def test_the_page_prints_the_stored_figures_and_what_misses_its_target() -> None:
    low, high = TARGET_COVERAGE
    for name, when in PARTS:
        scored = RESULT[name][when]
        coverage = scored["coverage_90"]
        missed = "" if low <= coverage <= high else " (missed)"
        assert f"| {100 * coverage:.1f} %{missed} |" in PAGE
        assert f"| {100 * scored['soh']['mae']:.2f} %, " in PAGE
    assert (RESULT["with_rests"]["early"]["soh"]["mae"] > TARGET_MAE) == (
        "SoH MAE of at most 2 % after 60 trips" in PAGE
    )
