"""First schema: vehicles, trips, predictions, newest answers, rollup, checkpoints, files."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables and indexes."""
    _shared()
    _history()
    _current()


def _shared() -> None:
    op.create_table(
        "vehicles",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("vehicle_id", sa.Text(), nullable=False),
        sa.Column("battery_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("described_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("vehicle_id"),
    )
    op.create_table(
        "descriptions",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("vehicle", NUMBER, nullable=False),
        sa.Column("battery_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("described_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vehicle"],
            ["vehicles.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_descriptions_vehicle", "descriptions", ["vehicle"], unique=False)
    op.create_table(
        "batteries",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("vehicle", NUMBER, nullable=False),
        sa.Column("battery_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("vehicle", "battery_id"),
        sa.ForeignKeyConstraint(
            ["vehicle"],
            ["vehicles.id"],
        ),
    )
    op.create_table(
        "models",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "version", "digest"),
    )
    op.create_table(
        "texts",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("text"),
    )


def _history() -> None:
    op.create_table(
        "trips",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("battery", NUMBER, nullable=False),
        sa.Column("event_s", sa.BigInteger(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["battery"],
            ["batteries.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trips_digest", "trips", [sa.text("substr(digest, 1, 3)")], unique=False)
    op.create_table(
        "predictions",
        sa.Column("trip", NUMBER, autoincrement=False, nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["trip"], ["trips.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trip"),
    )
    op.create_table(
        "daily",
        sa.Column("battery", NUMBER, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.Column("trips", sa.Integer(), nullable=False),
        sa.Column("soh_mean", sa.BigInteger(), nullable=True),
        sa.Column("soh_last", sa.BigInteger(), nullable=True),
        sa.Column("risk_last", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["battery"],
            ["batteries.id"],
        ),
        sa.PrimaryKeyConstraint("battery", "day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "horizon",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("pruned_before_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _current() -> None:
    op.create_table(
        "latest",
        sa.Column("vehicle", NUMBER, autoincrement=False, nullable=False),
        sa.Column("vehicle_id", sa.Text(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("soh", sa.BigInteger(), nullable=True),
        sa.Column("reference_sop_w", sa.BigInteger(), nullable=True),
        sa.Column("risk_score", sa.BigInteger(), nullable=True),
        sa.Column("event_s", sa.BigInteger(), nullable=True),
        sa.Column("evidence_count", sa.BigInteger(), nullable=False),
        sa.Column("scored_s", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vehicle"],
            ["vehicles.id"],
        ),
        sa.PrimaryKeyConstraint("vehicle"),
        sa.UniqueConstraint("vehicle_id"),
    )
    op.create_index("latest_event_s", "latest", ["event_s"], unique=False)
    op.create_index("latest_evidence_count", "latest", ["evidence_count"], unique=False)
    op.create_index("latest_group", "latest", ["group_name"], unique=False)
    op.create_index("latest_reference_sop_w", "latest", ["reference_sop_w"], unique=False)
    op.create_index("latest_risk_score", "latest", ["risk_score"], unique=False)
    op.create_index("latest_soh", "latest", ["soh"], unique=False)
    op.create_index("latest_status", "latest", ["status"], unique=False)
    op.create_table(
        "states",
        sa.Column("battery", NUMBER, nullable=False),
        sa.Column("last_event_s", sa.BigInteger(), nullable=False),
        sa.Column("last_digest", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["battery"],
            ["batteries.id"],
        ),
        sa.PrimaryKeyConstraint("battery"),
    )
    op.create_table(
        "files",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.Column("vehicle_id", sa.Text(), nullable=True),
        sa.Column("trips", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_files_state", "files", ["state"], unique=False)
