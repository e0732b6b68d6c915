"""The migrations make exactly the schema that the code works with."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from evitals.errors import StoreError
from evitals.fleet.open import open_store
from evitals.fleet.tables import metadata


def schema(url: str) -> set[str]:
    """Every CREATE statement, with its words in a form that does not depend on line breaks."""
    engine = create_engine(url)
    with engine.connect() as connection:
        query = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name != 'alembic_version'"
        found = {" ".join(sql.split()) for sql in connection.execute(text(query)).scalars()}
    engine.dispose()
    return found


def test_migrated_schema_equals_the_metadata(tmp_path: Path) -> None:
    plain = create_engine(f"sqlite:///{tmp_path}/plain.db")
    metadata.create_all(plain)
    plain.dispose()
    open_store(tmp_path / "migrated.db").close()
    expected = schema(f"sqlite:///{tmp_path}/plain.db")
    assert len(expected) > len(metadata.tables)
    assert schema(f"sqlite:///{tmp_path}/migrated.db") == expected


def test_opening_again_migrates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path).close()
    monkeypatch.setattr(command, "upgrade", lambda *_: pytest.fail("migrated again"))
    open_store(tmp_path).close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    open_store(path).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    before = schema(f"sqlite:///{path}")
    with pytest.raises(StoreError, match=r"'9999' is newer .* install"):
        open_store(path)
    assert schema(f"sqlite:///{path}") == before
