"""``training_progress.csv``: a line an epoch, written at once, to be read along."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Any

from evitals.models.training import Epoch

FIELDS = (
    "phase", "seed", "epoch", "epochs", "seconds", "left_s", "loss", "rmse", "learning_rate",
    "best",
)  # fmt: skip


class Progress:
    """The file while a job runs. ``degrees`` are the ambient temperatures of the validation."""

    def __init__(self, path: Path, degrees: list[float]) -> None:
        self.path, self.degrees = path, degrees
        fresh = not path.exists()
        self._file = path.open("a", newline="", encoding="utf-8")
        if fresh:
            csv.writer(self._file).writerow([*FIELDS, *(f"rmse_{d:g}degc" for d in degrees)])

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, epoch: Epoch) -> None:
        """Append an epoch."""
        values: list[Any] = [getattr(epoch, name) for name in FIELDS]
        values += [epoch.by_degc.get(degc) for degc in self.degrees]
        csv.writer(self._file).writerow(["" if v is None else v for v in values])
        self._file.flush()

    def forget(self, phase: str, seed: int, after: int) -> None:
        """Drop a run's epochs beyond ``after``: they are trained again."""
        self._file.close()
        header, *rows = list(csv.reader(self.path.read_text(encoding="utf-8").splitlines()))
        kept = [
            row
            for row in rows
            # A line that a kill cut short belongs to an epoch that is trained again.
            if len(row) == len(header)
            and (row[0] != phase or int(row[1]) != seed or int(row[2]) <= after)
        ]
        self._file = self.path.open("w", newline="", encoding="utf-8")
        csv.writer(self._file).writerows([header, *kept])
        self._file.flush()


def read_progress(path: Path) -> list[dict[str, str]]:
    """The epochs written so far, by column name."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
