"""The newest row of every vehicle among a long history: our ``latest`` table beside a group-by.

Both histories are filled by SQL, directly: what is measured is reading. The reference's
description names the query and not its text; it is written here in SQLite's fastest form (one
pass, the columns that stand beside MAX), and once more with an index the reference does not have.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.clocks import cpu_s
from benchmarks.made_up import fill
from benchmarks.result import Bar, Row, Scale, alternate
from evitals.fleet.open import FILE_NAME

NAME = "newest"
OURS = "SELECT vehicle_id, scored_s, soh, reference_sop_w, risk_score, status FROM latest"
THEIRS = (
    "SELECT vehicle_id, timestamp, predicted_soh, predicted_sop, health_score, status, MAX(id) "
    "FROM health_records GROUP BY vehicle_id"
)
SCHEMA = """
CREATE TABLE health_records (
  id INTEGER PRIMARY KEY AUTOINCREMENT, vehicle_id TEXT NOT NULL,
  timestamp DATETIME DEFAULT CURRENT_TIMESTAMP,
  predicted_soh REAL, predicted_sop REAL, health_score REAL, status TEXT)
"""
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "


def fill_reference(path: Path, vehicles: int, rows: int) -> None:
    """The reference's table with ``rows`` rows of ``vehicles`` vehicles in turn."""
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(SCHEMA)
        store.execute(
            COUNT + "INSERT INTO health_records "
            "SELECT i, printf('V%06d', i % ?), '2025-11-10 08:00:00', 0.8 + (i % 97) / 1000.0, "
            "28000.0 + i % 1000, 0.3 + (i % 89) / 1000.0, 'Healthy' FROM n",
            (rows, vehicles),
        )


def fill_ours(folder: Path, vehicles: int, rows: int) -> None:
    """Our store: newest answers through its writer, history behind them by SQL."""
    fill(folder, vehicles)
    with closing(sqlite3.connect(folder / FILE_NAME)) as store, store:
        indexes = store.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'trips' "
            "AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            store.execute(f"DROP INDEX {name}")
        store.execute(
            "INSERT OR IGNORE INTO batteries (vehicle, battery_id) SELECT id, '1' FROM vehicles"
        )
        store.execute(
            COUNT + "INSERT INTO trips (id, battery, event_s, digest, detail) "
            "SELECT i, 1 + i % ?, 1700000000 + i, randomblob(32), randomblob(60) FROM n",
            (rows, vehicles),
        )
        store.execute(
            COUNT + "INSERT INTO predictions (trip, answer) SELECT i, randomblob(22) FROM n",
            (rows,),
        )
        for _, text in indexes:
            store.execute(text)


def measure(scale: Scale) -> list[Row]:
    """CPU seconds to fetch the newest row of every vehicle."""
    vehicles, rows = scale.pick(100_000, 10_000), scale.pick(10_000_000, 1_000_000)
    fill_ours(scale.folder, vehicles, rows)
    theirs = scale.folder / "reference.db"
    fill_reference(theirs, vehicles, rows)
    with (
        closing(sqlite3.connect(scale.folder / FILE_NAME)) as mine,
        closing(sqlite3.connect(theirs)) as reference,
    ):
        found = [len(mine.execute(OURS).fetchall()), len(reference.execute(THEIRS).fetchall())]
        if found != [vehicles, vehicles]:
            raise AssertionError(f"{found} rows instead of {vehicles} each")
        ours, group_by = alternate(
            [
                lambda: cpu_s(lambda: mine.execute(OURS).fetchall(), 3),
                lambda: cpu_s(lambda: reference.execute(THEIRS).fetchall(), 1),
            ],
            scale.runs,
            warm=False,
        )
        with reference:
            reference.execute("CREATE INDEX health_vehicle ON health_records (vehicle_id)")
        ours_again, indexed = alternate(
            [
                lambda: cpu_s(lambda: mine.execute(OURS).fetchall(), 3),
                lambda: cpu_s(lambda: reference.execute(THEIRS).fetchall(), 1),
            ],
            scale.runs,
        )
    size = f"{vehicles:,} vehicles, {rows:,} rows"
    return [
        Row(
            claim=NAME,
            quantity=f"CPU, newest of {size}",
            unit="s",
            ours=ours,
            reference=group_by,
            other="group-by",
            bar=Bar(of="ratio", bound=100.0),
            note=f"ours: {OURS}; the reference's: {THEIRS}",
        ),
        Row(
            claim=NAME,
            quantity="the same, with an index the reference lacks",
            unit="s",
            ours=ours_again,
            reference=indexed,
            other="group-by, indexed",
        ),
    ]
