"""The table of scores that train, evaluate and compare print."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evitals.commands.common import print_table

if TYPE_CHECKING:
    from evitals.models.evaluate import Score


def print_scores(title: str, scores: "Mapping[str, Score]", unit: str) -> None:
    """A row an estimator: RMSE pooled and by temperature, the rest of the score."""
    degrees = sorted({d for score in scores.values() for d in score.by_degc}, key=float)
    factor, unit = (1e3, "mV") if unit == "V" else (1.0, unit)

    def shown(value: float | None) -> str | None:
        return None if value is None else f"{factor * value:.4g}"

    print_table(
        f"{title}; RMSE in {unit}",
        ["estimator", "all", *(f"{d} degC" for d in degrees), "max after 60 s", "first 60 s",
         "bias", "samples", "unknown"],
        [
            (
                name,
                shown(score.rmse),
                *(shown(score.by_degc.get(d)) for d in degrees),
                shown(score.max_error),
                shown(score.first_60_s),
                shown(score.bias),
                score.samples,
                score.unknown,
            )
            for name, score in scores.items()
        ],
    )  # fmt: skip
