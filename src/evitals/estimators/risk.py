"""Risk score and status: one rule, with hysteresis and a count of evidence.

risk_score = (1 - soh) + (1 - reference SoP / rated power), lower is better, within 0 and 2.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from evitals.errors import InputError
from evitals.estimators.answer import Status
from evitals.settings import Settings

Floats = npt.NDArray[np.float64]
SEVERITY: tuple[Status, ...] = ("Healthy", "Monitor", "Priority Maintenance")
UNKNOWN: Status = "Unknown"


def risk_score(
    soh: float | None, reference_sop_w: float | None, rated_power_w: float | None
) -> float | None:
    """(1 - soh) + (1 - reference SoP / rated power); None where a part is unknown.

    A SoH above 1 or power above the rated counts as 1: nothing offsets a real loss.
    """
    if soh is None or reference_sop_w is None or rated_power_w is None:
        return None
    return (1.0 - min(soh, 1.0)) + (1.0 - min(reference_sop_w / rated_power_w, 1.0))


def first_statuses(settings: Settings, soh: Floats, score: Floats) -> list[Status]:
    """What ``RiskRule`` says first, of many batteries (n,); NaN is None."""
    s = settings
    severity = ((soh < s.soh_monitor) | (score >= s.risk_monitor)).astype(np.int64)
    severity[(soh < s.soh_priority) | (score >= s.risk_priority)] = 2
    severity[np.isnan(soh)] = 3
    return [(*SEVERITY, UNKNOWN)[place] for place in severity.tolist()]


class RiskRule:
    """The status of one battery: ``reset / step / state / restore``.

    Worse from a threshold on; better only when ``status_hysteresis`` beyond it; either only after
    ``status_evidence`` answers in a row with new evidence. The first known status needs no row.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget the status."""
        self.status: Status = UNKNOWN
        self._candidate: Status = UNKNOWN
        self._row = 0

    def severity(self, soh: float, score: float | None, ease: float = 0.0) -> int:
        """Place in ``SEVERITY`` by the thresholds, each made stricter by ``ease``."""
        s = self._settings
        if soh < s.soh_priority + ease or (score is not None and score >= s.risk_priority - ease):
            return 2
        if soh < s.soh_monitor + ease or (score is not None and score >= s.risk_monitor - ease):
            return 1
        return 0

    def step(self, soh: float | None, score: float | None, *, new_evidence: bool) -> Status:
        """Fold one answer and return the status."""
        if soh is None:
            self.reset()
            return self.status
        raw = self.severity(soh, score)
        if self.status == UNKNOWN:
            self.status, self._row = SEVERITY[raw], 0
            return self.status
        now = SEVERITY.index(self.status)
        held = self.severity(soh, score, self._settings.status_hysteresis)
        target = SEVERITY[raw if raw >= now else min(now, held)]
        if target == self.status:
            self._row = 0
        elif new_evidence:
            self._row = self._row + 1 if target == self._candidate else 1
            if self._row >= self._settings.status_evidence:
                self.status, self._row = target, 0
        self._candidate = target
        return self.status

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data."""
        return {"status": self.status, "candidate": self._candidate, "row": self._row}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        names = (*SEVERITY, UNKNOWN)
        status, candidate, row = (state.get(k) for k in ("status", "candidate", "row"))
        if status not in names or candidate not in names or not isinstance(row, int):
            raise InputError("state", state, "is not a risk rule's", "replay the battery's trips")
        self.status = names[names.index(status)]
        self._candidate = names[names.index(candidate)]
        self._row = row
