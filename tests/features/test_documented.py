"""docs/features.md holds the table that the definitions give."""

from pathlib import Path

from evitals.features.definitions import FEATURES, as_markdown

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_the_definitions() -> None:
    assert as_markdown() in PAGE.read_text(encoding="utf-8")


def test_every_feature_has_a_definition_and_a_form() -> None:
    assert all(
        f.definition and f.unit and f.form in ("f3", "f2", "u2", "u1", "--") for f in FEATURES
    )
