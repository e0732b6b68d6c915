"""Changes of files that are whole or not made at all, whenever the process dies.

A file is written beside its place under a name that starts with ``PART``, made durable (fsync),
and only then renamed, which happens at once. Readers need no lock; writers hold one.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from evitals.errors import RegistryError

PART = ".part-"
LOCK_S = 10.0
"""How long a writer waits for another, s."""


@contextlib.contextmanager
def locked(folder: Path, wait_s: float = LOCK_S) -> Iterator[None]:
    """Hold ``folder``'s lock among threads and processes; it dies with its holder.

    Creates the folder and sweeps away what dead writers left. Raises RegistryError where the lock
    cannot be had within ``wait_s`` or the folder cannot be written.
    """
    with refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(handle, folder, wait_s)
        with refusing(folder):
            for left in [*folder.glob(f"{PART}*"), *folder.glob(f"*/{PART}*")]:
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def write_new(path: Path, data: bytes) -> None:
    """A read-only file in a place that its writer, who holds the lock, found free."""
    path.parent.mkdir(exist_ok=True)
    _sync(path.parent.parent)
    _place(path, data, 0o444)


def replace(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file at once."""
    path.parent.mkdir(exist_ok=True)
    _sync(path.parent.parent)
    _place(path, data, 0o644)


def remove(path: Path) -> None:
    """Delete a file for good."""
    path.unlink()
    _sync(path.parent)


@contextlib.contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses (full, read-only, not a folder) into RegistryError."""
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"models: {error.filename or folder}: {error.strerror}; make room, or choose a folder "
            "this user may write with --models or EVITALS_MODELS"
        ) from error


def _take(handle: int, folder: Path, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise RegistryError(
                    f"models: {folder} is being changed by another process; try again"
                ) from error
            time.sleep(0.01)
        else:
            return


def _place(path: Path, data: bytes, mode: int) -> None:
    part = path.parent / f"{PART}{uuid4().hex}"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    part.rename(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
