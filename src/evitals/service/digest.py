"""Content digests: SHA-256, hex, of files, bytes and parts of an identity."""

import hashlib
from pathlib import Path

TRIP_DIGITS = 32
"""Hex digits of a trip's digest."""


def digest_of(*parts: str | bytes) -> str:
    """Digest of several parts; each is preceded by its length, so that they cannot run together."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def trip_digest(*parts: str | bytes) -> str:
    """Digest a trip is stored under: the first 128 bits, enough for any fleet at half the room."""
    return digest_of(*parts)[:TRIP_DIGITS]


def digest_bytes(data: bytes) -> str:
    """Digest of a message's bytes: that of a file with the same content."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
