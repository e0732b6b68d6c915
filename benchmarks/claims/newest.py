"""The newest row of every vehicle among a long history: our ``latest`` table beside a group-by.

Both histories are filled by SQL, directly: what is measured is reading. The reference's
description names the query (``get_latest_fleet_data()``, into a DataFrame) and not its text. Both
usual texts are tried, and the bar is against the cheaper one; then once more with an index that the
reference does not have. Fetching makes 100,000 Python tuples on either side; the row that sums
inside SQLite leaves them out. A last row asks what either page asks: ours its live feed's columns,
which commits keep current in memory, the reference's a DataFrame of the query.
"""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.clocks import cpu_s
from benchmarks.made_up import fill
from benchmarks.result import Bar, Row, Scale, alternate
from evitals.dashboard.feed import Feed
from evitals.dashboard.frame import decode
from evitals.fleet.open import FILE_NAME, open_store

NAME = "newest"
OURS = "SELECT vehicle_id, scored_s, soh, reference_sop_w, risk_score, status FROM latest"
THEIRS = (
    "SELECT vehicle_id, timestamp, predicted_soh, predicted_sop, health_score, status, MAX(id) "
    "FROM health_records GROUP BY vehicle_id"
)
PORTABLE = (
    "SELECT vehicle_id, timestamp, predicted_soh, predicted_sop, health_score, status "
    "FROM health_records WHERE id IN (SELECT MAX(id) FROM health_records GROUP BY vehicle_id)"
)
OURS_SUM = "SELECT COUNT(*), AVG(soh) FROM latest"
THEIRS_SUM = (
    "SELECT COUNT(*), AVG(predicted_soh) FROM "
    "(SELECT predicted_soh, MAX(id) FROM health_records GROUP BY vehicle_id)"
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
    """CPU seconds to fetch the newest row of every vehicle, and to sum over them."""
    vehicles, rows = scale.pick(100_000, 10_000), scale.pick(10_000_000, 1_000_000)
    fill_ours(scale.folder, vehicles, rows)
    theirs = scale.folder / "reference.db"
    fill_reference(theirs, vehicles, rows)
    with (
        closing(sqlite3.connect(scale.folder / FILE_NAME)) as mine,
        closing(sqlite3.connect(theirs)) as reference,
    ):
        for store, text in ((mine, OURS), (reference, THEIRS), (reference, PORTABLE)):
            found = len(store.execute(text).fetchall())
            if found != vehicles:
                raise AssertionError(f"{found} rows instead of {vehicles}: {text}")
        compare = _Compare(mine, reference, scale.runs)
        size = f"newest of {vehicles:,} vehicles among {rows:,} rows"
        best, other = sorted((THEIRS, PORTABLE), key=partial(_fetch_s, reference))
        plain = [
            compare.row(f"CPU to fetch the {size}", OURS, best, "group-by", barred=True),
            compare.row("the same, the dearer text", OURS, other, "group-by"),
            compare.row("CPU to sum over them inside SQLite", OURS_SUM, THEIRS_SUM, "group-by"),
            _as_pages_ask(scale, reference, best),
        ]
        with reference:
            reference.execute("CREATE INDEX health_vehicle ON health_records (vehicle_id)")
        name = "to fetch, with an index the reference lacks"
        return [*plain, compare.row(name, OURS, THEIRS, "group-by, indexed")]


def _fetch_s(store: sqlite3.Connection, text: str) -> float:
    return cpu_s(lambda: store.execute(text).fetchall(), 1)


def _as_pages_ask(scale: Scale, reference: sqlite3.Connection, text: str) -> Row:
    """Every vehicle's newest state as each page gets it: columns and ids, or a DataFrame."""
    with closing(open_store(scale.folder)) as store:
        feed = Feed(store)
        snapshot = decode(feed.delta())
        if len(feed.rows()) != len(snapshot["ids"]):
            raise AssertionError("the feed does not hold every vehicle")
        ours, theirs = alternate(
            [
                lambda: cpu_s(feed.rows, 100),
                lambda: cpu_s(lambda: pd.read_sql_query(text, reference), 1),
            ],
            scale.runs,
            warm=False,
        )
    return Row(
        claim=NAME,
        quantity="CPU to hand them to the page, as columns",
        unit="s",
        ours=ours,
        reference=theirs,
        other="group-by, DataFrame",
        note="ours: a copy of the live feed's columns, in memory; ids are held beside them",
    )


class _Compare:
    """Runs two texts in turn over two databases."""

    def __init__(self, mine: sqlite3.Connection, theirs: sqlite3.Connection, runs: int) -> None:
        self.mine, self.theirs, self.runs = mine, theirs, runs

    def row(
        self, quantity: str, ours: str, theirs: str, other: str, *, barred: bool = False
    ) -> Row:
        """Both texts' CPU. Ours is repeated, because the clock is too coarse for one."""
        mine, reference = alternate(
            [
                lambda: cpu_s(lambda: self.mine.execute(ours).fetchall(), 5),
                lambda: cpu_s(lambda: self.theirs.execute(theirs).fetchall(), 1),
            ],
            self.runs,
            warm=False,
        )
        return Row(
            claim=NAME,
            quantity=quantity,
            unit="s",
            ours=mine,
            reference=reference,
            other=other,
            bar=Bar(of="ratio", bound=100.0) if barred else None,
            note=f"ours: {ours}; the reference's: {theirs}",
        )
