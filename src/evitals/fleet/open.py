"""Opens a store by its path or URL."""

from pathlib import Path

from evitals.errors import StoreError
from evitals.fleet.sqlite import SqliteDialect
from evitals.fleet.sqlstore import SqlStore
from evitals.fleet.writer import QUEUE

FILE_NAME = "evitals.sqlite"
SUFFIXES = (".sqlite", ".sqlite3", ".db")
_SCHEME = "sqlite:///"


def open_store(where: Path | str, *, queue_size: int = QUEUE) -> SqlStore:
    """The store at ``where``, created where there is none, its schema brought up to date.

    ``where`` is a folder (the file in it is ``evitals.sqlite``), a file ending in .sqlite,
    .sqlite3 or .db, or ``sqlite:///PATH`` with either. Raises StoreError with a remedy where it
    cannot be opened: another scheme, not a database, a newer schema, a folder that is read-only.
    """
    path = _path(where)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"store: {path.parent}: {error.strerror}; choose a folder this user may write"
        ) from error
    return SqlStore(SqliteDialect(path), queue_size)


def _path(where: Path | str) -> Path:
    text = str(where)
    if isinstance(where, str) and "://" in where:
        if not where.startswith(_SCHEME) or len(where) == len(_SCHEME):
            scheme = where.split("://", 1)[0]
            raise StoreError(
                f"store: no store speaks {scheme!r} URLs; use a folder, a file ending in "
                f"{', '.join(SUFFIXES)} or {_SCHEME}PATH"
            )
        text = where.removeprefix(_SCHEME)
    path = Path(text)
    if path.suffix in SUFFIXES and not path.is_dir():
        return path
    return path / FILE_NAME
