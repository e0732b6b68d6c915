"""What was downloaded: one record a file, so that a second download must equal the first."""

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from evitals.errors import InputError

NAME = "files.lock.json"


class Locked(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A downloaded file. ``trust``: whose checksum it met, the publisher's or its own first one."""

    url: str
    sha256: str
    size: int
    fetched: str
    trust: Literal["publisher", "first use"]


def read_lock(folder: Path) -> dict[str, Locked]:
    """The records by file name. Raises InputError where the lock file is damaged."""
    file = folder / NAME
    if not file.is_file():
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Locked])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            NAME,
            str(folder),
            f"is damaged: {error}",
            "put it back from a copy; deleting it means trusting the next download",
            reason="damaged_lock",
        ) from error


def write_lock(folder: Path, records: dict[str, Locked]) -> None:
    """Replace the lock file in one step."""
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(records.items()))), indent=2)
    replace(folder / NAME, text + b"\n")


def replace(file: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
