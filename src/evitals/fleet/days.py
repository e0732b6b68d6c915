"""The daily rollup: sums kept by the writer, so that one more trip needs no reading of the rest."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from evitals.fleet.codec import pack_members, scale, unpack_answer, unpack_members
from evitals.fleet.statement import Sized, Statement
from evitals.fleet.tables import UNDATED, daily, horizon, predictions, trips

DAY_S = 86_400
HELD_MOST = 100_000
"""Days whose sums are held in memory."""
Day = tuple[int, int]
"""A battery and a day since 1970 UTC."""
_FIND_DAY = select(daily).where(
    daily.c.battery == bindparam("number"), daily.c.day == bindparam("on")
)
_HORIZON = select(func.max(horizon.c.pruned_before_s))
_NEW_DAY = (0, 0, b"", 0, None, None, None)
Summed = tuple[int, bytes, int | None, int | None]
"""An answer in a day's sums: event time, trip digest, SoH and risk score in steps of 1e-4."""


def days_of(batteries: Iterable[int], events: Iterable[int | None]) -> list[Day]:
    """The days of batteries' trips."""
    return [
        (battery, UNDATED if event_s is None else event_s // DAY_S)
        for battery, event_s in zip(batteries, events, strict=True)
    ]


def _summed(event_s: int | None, digest: bytes, answer: bytes) -> Summed:
    """What a day's sums need of a stored answer."""
    fields = unpack_answer(answer, event_s)[0]
    soh, risk = scale("soh", fields["soh"]), scale("risk_score", fields["risk_score"])
    return event_s or 0, digest, soh, risk


def _answers(size: int) -> Any:
    """Answers of ``size`` trips by number, with what orders them."""
    return (
        select(trips.c.event_s, trips.c.digest, predictions.c.answer)
        .join(predictions, predictions.c.trip == trips.c.id)
        .where(trips.c.id.in_([0] * size))
    )


@dataclass(slots=True)
class _Sums:
    """A day's members and sums; integers, so that their order does not matter."""

    members: bytes
    trips: int = 0
    soh: int = 0
    known: int = 0
    last_soh: tuple[int, bytes, int] | None = None
    last_risk: tuple[int, bytes, int] | None = None

    def add(self, answers: Collection[Summed]) -> None:
        self.trips += len(answers)
        last_soh, last_risk = self.last_soh, self.last_risk
        for event_s, digest, soh, risk in answers:
            if soh is not None:
                self.soh += soh
                self.known += 1
                if last_soh is None or (event_s, digest, soh) > last_soh:
                    last_soh = event_s, digest, soh
            if risk is not None and (last_risk is None or (event_s, digest, risk) > last_risk):
                last_risk = event_s, digest, risk
        self.last_soh, self.last_risk = last_soh, last_risk

    def row(self, key: Day) -> tuple[Any, ...]:
        return (
            *key,
            self.members,
            self.trips,
            round(self.soh / self.known) if self.known else None,
            self.last_soh[2] if self.last_soh else None,
            self.last_risk[2] if self.last_risk else None,
        )


@dataclass(slots=True)
class Change:
    """What one commit changes of a day: new trips, their first answers, or others anew."""

    members: list[int] = field(default_factory=list)
    answers: dict[int, Summed] = field(default_factory=dict)
    again: bool = False
    """An older trip was answered: the sums must be read, not added to."""


class Days:
    """Brings the rollup up to date. Used by the writer's thread only."""

    def __init__(self, dialect: Any, put: Sized) -> None:
        self._put = put
        self._held: dict[Day, _Sums] = {}
        self._horizon_s: int | None = None
        self._horizon_known = False
        self._find_day = Statement(dialect.core, _FIND_DAY)
        self._horizon = Statement(dialect.core, _HORIZON)
        self._find_answers = Sized(dialect.core, _answers)

    def forget(self) -> None:
        """After a rollback or a foreign task: what is remembered may not be there."""
        self._held.clear()
        self._horizon_known = False

    def write(self, connection: Connection, changes: dict[Day, Change]) -> None:
        """Write the days that changed; trips and answers must be in the tables already."""
        rows = []
        for key, change in sorted(changes.items()):
            held = self._held.get(key)
            if held is None or change.again:
                rows.append(self._read(connection, key, change.members))
                continue
            held.members += pack_members(change.members)
            held.add(change.answers.values())
            rows.append(held.row(key))
        self._put.run(connection, rows)

    def _read(self, connection: Connection, key: Day, new: Iterable[int]) -> tuple[Any, ...]:
        """A day's row from its members; from now on the day is held, if it is summed."""
        battery, day = key
        before = self._find_day.one(connection, {"number": battery, "on": day})
        row = dict(zip(daily.c.keys(), before or _NEW_DAY, strict=True))
        row |= {"battery": battery, "day": day}
        row["members"] += pack_members(new)
        # Of a day that is pruned in part, what was summed up then stays.
        pruned_s = self._pruned_before_s(connection)
        if day == UNDATED or (before and pruned_s is not None and day * DAY_S < pruned_s):
            return tuple(row.values())
        sums = _Sums(row["members"])
        numbers = [(number,) for number in unpack_members(row["members"])]
        sums.add([_summed(*row) for row in self._find_answers.run(connection, numbers)])
        if len(self._held) >= HELD_MOST:
            self._held.clear()
        self._held[key] = sums
        return sums.row(key)

    def _pruned_before_s(self, connection: Connection) -> int | None:
        """How far history was pruned; read once, because only ``run`` tasks prune."""
        if not self._horizon_known:
            (self._horizon_s,) = self._horizon.one(connection, {})
            self._horizon_known = True
        return self._horizon_s
