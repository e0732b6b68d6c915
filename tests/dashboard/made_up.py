"""A fleet of made-up newest answers and a store that only remembers those."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from evitals.fleet.records import LatestRecord, ModelRecord, PredictionRecord
from evitals.fleet.store import Store

MODEL = ModelRecord(name="physics", version="1", digest="d" * 64)


def latest(vehicle_id: str, **changes: Any) -> LatestRecord:
    """A newest answer: a healthy vehicle unless ``changes`` say else."""
    outer: dict[str, Any] = {
        "rated_power_w": 100e3, "reference_capacity_ah": 60.0, "group": "", "soc": 0.5,
        "temperature_degc": 21.0, "live_sop": None,
    }  # fmt: skip
    answer: dict[str, Any] = {
        "vehicle_id": vehicle_id, "battery_id": "1", "trip_digest": "t" + vehicle_id,
        "event_s": 1_700_000_000, "scored_s": 1_700_000_900, "kind": "drive", "soh": 0.9,
        "soh_low": 0.88, "soh_high": 0.92, "capacity_bms_ah": 54.0, "capacity_ocv_ah": None,
        "resistance_growth": 1.1, "reference_sop_w": 90e3, "risk_score": 0.2, "status": "Healthy",
        "evidence_count": 5, "reasons": (), "model": MODEL,
    }  # fmt: skip
    for name, value in changes.items():
        (outer if name in outer else answer)[name] = value
    return LatestRecord(prediction=PredictionRecord(**answer), **outer)


class MemoryStore:
    """The part of the store's contract that the feed needs."""

    def __init__(self, *records: LatestRecord) -> None:
        self.records = {r.prediction.vehicle_id: r for r in records}
        self.listeners: list[Callable[[Sequence[LatestRecord]], None]] = []

    def on_commit(self, listener: Callable[[Sequence[LatestRecord]], None]) -> None:
        self.listeners.append(listener)

    def all_latest(self) -> Iterator[LatestRecord]:
        return iter(list(self.records.values()))

    def commit(self, *records: LatestRecord) -> None:
        self.records |= {r.prediction.vehicle_id: r for r in records}
        for listener in self.listeners:
            listener(records)


def as_store(memory: MemoryStore) -> Store:
    """The same store, to those who need no more of the contract than it has."""
    return cast(Store, memory)
