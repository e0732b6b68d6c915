"""The tables: what is remembered, in few bytes.

History is kept small: a trip is one row of four columns, its prediction one row keyed by the
trip's number. Everything that many rows share (vehicle, battery, model, file name, sets of
reasons) is a small integer. ``codec`` packs what is left into a blob of scaled integers.
"""

from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
)

metadata = MetaData()
Part = Literal["prediction", "audit", "other"]


def _key(name: str = "id") -> Column[int]:
    """A number that is the row's place: in SQLite it costs no index of its own."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


vehicles = Table(
    "vehicles",
    metadata,
    _key(),
    Column("vehicle_id", Text, nullable=False, unique=True),
    Column("battery_id", Text, nullable=False),
    Column("description", Text),
    Column("described_s", BigInteger, nullable=False),
)

descriptions = Table(
    "descriptions",
    metadata,
    _key(),
    Column("vehicle", ForeignKey("vehicles.id"), nullable=False, index=True),
    Column("battery_id", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("described_s", BigInteger, nullable=False),
)

batteries = Table(
    "batteries",
    metadata,
    _key(),
    Column("vehicle", ForeignKey("vehicles.id"), nullable=False),
    Column("battery_id", Text, nullable=False),
    UniqueConstraint("vehicle", "battery_id"),
)

models = Table(
    "models",
    metadata,
    _key(),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    UniqueConstraint("name", "version", "digest"),
)

texts = Table(
    "texts",
    metadata,
    _key(),
    Column("text", Text, nullable=False, unique=True),
)

trips = Table(
    "trips",
    metadata,
    _key(),
    Column("battery", ForeignKey("batteries.id"), nullable=False),
    Column("event_s", BigInteger),
    Column("digest", LargeBinary, nullable=False),
    Column("detail", LargeBinary, nullable=False),
)
DIGEST_PREFIX = 3
"""Bytes of a trip's digest in its index: few bytes, and few rows that share them."""

# Literals: an index on an expression serves only queries that write the very same one.
digest_prefix: ColumnElement[bytes] = func.substr(
    trips.c.digest, literal_column("1"), literal_column(str(DIGEST_PREFIX))
)
Index("trips_digest", digest_prefix)

predictions = Table(
    "predictions",
    metadata,
    Column(
        "trip",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("trips.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("answer", LargeBinary, nullable=False),
)

latest = Table(
    "latest",
    metadata,
    Column(
        "vehicle",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("vehicles.id"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("vehicle_id", Text, nullable=False, unique=True),
    Column("group_name", Text, nullable=False),
    Column("status", SmallInteger),
    Column("soh", BigInteger),
    Column("reference_sop_w", BigInteger),
    Column("risk_score", BigInteger),
    Column("event_s", BigInteger),
    Column("evidence_count", BigInteger, nullable=False),
    Column("scored_s", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
SORTED = ("status", "soh", "reference_sop_w", "risk_score", "event_s", "evidence_count")
for _name in SORTED:
    Index(f"latest_{_name}", latest.c[_name])
Index("latest_group", latest.c.group_name)

UNDATED = 2**31 - 1
"""The day of trips without event time: after all others."""

# The rollup is the history's index too: ``members`` are the numbers of the day's trips, three
# bytes each where an index on the trips takes seventeen.
daily = Table(
    "daily",
    metadata,
    Column("battery", ForeignKey("batteries.id"), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("members", LargeBinary, nullable=False),
    Column("trips", Integer, nullable=False),
    Column("soh_mean", BigInteger),
    Column("soh_last", BigInteger),
    Column("risk_last", BigInteger),
    sqlite_with_rowid=False,
)

states = Table(
    "states",
    metadata,
    Column("battery", ForeignKey("batteries.id"), primary_key=True),
    Column("last_event_s", BigInteger, nullable=False),
    Column("last_digest", Text, nullable=False),
    Column("model_digest", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

files = Table(
    "files",
    metadata,
    _key(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_s", BigInteger, nullable=False),
    Column("vehicle_id", Text),
    Column("trips", Integer, nullable=False),
)

horizon = Table(
    "horizon",
    metadata,
    _key(),
    Column("pruned_before_s", BigInteger, nullable=False),
)

PARTS: dict[str, Part] = {"predictions": "prediction", "trips": "audit"}
"""Which part of the size budget a table belongs to: the rest ("other") grows with vehicles, files
and days rather than with predictions."""
