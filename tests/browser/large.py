"""A home filled directly: many vehicles with one answer each, without a trip being read."""

import random
import sqlite3
import time
from pathlib import Path

from evitals.fleet.apply import centi
from evitals.fleet.codec import STATUSES, pack_latest, scale
from evitals.fleet.open import open_store
from evitals.fleet.records import LatestRecord, ModelRecord, PredictionRecord, Status

MODEL = ModelRecord(name="assessor", version="1", digest="ab" * 32)
NOW_S = int(time.time()) - 120


def fill(home: Path, vehicles: int, seed: int = 5) -> None:
    """A store of so many vehicles in a home folder; row by row into the tables the page reads,
    because the writer, which also keeps histories, takes a minute for 100,000."""
    home.mkdir(parents=True)
    open_store(home).close()
    chance = random.Random(seed)
    file = next(p for p in home.iterdir() if p.suffix in (".db", ".sqlite"))
    with sqlite3.connect(file) as connection:
        rows = [_row(number, _latest(number - 1, chance)) for number in range(1, vehicles + 1)]
        connection.executemany(
            "INSERT INTO vehicles (id, vehicle_id, battery_id, described_s) VALUES (?, ?, '1', 0)",
            [row[:2] for row in rows],
        )
        connection.executemany(
            "INSERT INTO latest (vehicle, vehicle_id, group_name, status, soh, reference_sop_w, "
            "risk_score, event_s, evidence_count, scored_s, record) "
            "VALUES (?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    connection.close()


def _row(number: int, latest: LatestRecord) -> tuple[object, ...]:
    answer = latest.prediction
    status = None if answer.status == "Unknown" else STATUSES.index(answer.status)
    return (
        number, answer.vehicle_id, status, scale("soh", answer.soh),
        centi("reference_sop_w", answer.reference_sop_w), scale("risk_score", answer.risk_score),
        answer.event_s, answer.evidence_count, answer.scored_s, pack_latest(latest),
    )  # fmt: skip


def name(i: int) -> str:
    return f"van-{i:06d}"


def _latest(i: int, chance: random.Random) -> LatestRecord:
    """Most are healthy, a few weak, one in fifty unknown."""
    known = chance.random() > 0.02
    fade = min(0.6, chance.expovariate(1 / 0.09))
    power = min(0.6, max(0.0, chance.gauss(0.25 * fade, 0.02)))
    half = 0.01 + 0.03 * chance.random()
    soh = 1.02 - fade
    risk = max(0.0, 1.0 - soh) + power
    status: Status = "Unknown"
    if known:
        status = (
            "Priority Maintenance"
            if risk > 0.8 or soh < 0.7
            else "Monitor"
            if risk > 0.5 or soh < 0.8
            else "Healthy"
        )
    return LatestRecord(
        prediction=PredictionRecord(
            vehicle_id=name(i), battery_id="1", trip_digest=f"{i:032x}",
            event_s=NOW_S - chance.randrange(30 * 86_400), scored_s=NOW_S, kind="drive",
            soh=soh if known else None, soh_low=soh - half if known else None,
            soh_high=soh + half if known else None, capacity_bms_ah=60 * soh if known else None,
            capacity_ocv_ah=None, resistance_growth=1 + fade if known else None,
            reference_sop_w=125e3 * (1 - power), risk_score=risk if known else None, status=status,
            evidence_count=chance.randrange(4, 60) if known else chance.randrange(3), reasons=(),
            model=MODEL,
        ),
        rated_power_w=125e3, reference_capacity_ah=60.0, group="", soc=chance.random(),
        temperature_degc=20.0, live_sop=None,
    )  # fmt: skip
