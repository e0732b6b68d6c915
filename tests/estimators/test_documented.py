"""docs/health.md names every reason, and the figures it prints are the stored ones."""

import json
from pathlib import Path

from evitals.estimators.capacity import REASONS
from evitals.service.witness import TARGET_COVERAGE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "health.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "benchmarks" / "results" / "health.json").read_text(encoding="utf-8"))


def test_every_reason_is_explained() -> None:
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in PAGE, reason


def test_the_stored_scores_are_of_enough_vehicles_and_untuned_seeds() -> None:
    for name in ("with_rests", "without_rests"):
        scored = RESULT[name]
        assert scored["answered"] >= 500
        assert scored["seed"] not in RESULT["tuning_seeds"]
        assert TARGET_COVERAGE[0] <= scored["coverage_90"] <= TARGET_COVERAGE[1]


def test_the_page_prints_the_stored_figures() -> None:
    for name in ("with_rests", "without_rests"):
        scored = RESULT[name]
        assert f"{100 * scored['coverage_90']:.1f} %" in PAGE
        assert f"{100 * scored['soh']['mae']:.2f} %" in PAGE
