"""The one zip file a bundle is: written in one way only, and read back only if written so.

Files are stored, not compressed, in the order of their names with ``manifest.json`` first, with
one date, no links, no extra fields and no comments: equal files give equal bytes on any machine,
and nothing can be hidden between them. Layout: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12,
4.3.16. Any zip tool opens it.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

from evitals.errors import RefusedBundle

MANIFEST = "manifest.json"
MOST_BYTES = 64 * 2**20
"""Largest bundle."""
MOST_FILES = 1000
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,3}")
"""A member's name: plain ASCII, relative, no ``..``, at most four levels."""

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DATE = (1 << 5) | 1
"""1980-01-01, the first day a zip knows."""
_MADE_BY = (3 << 8) | 20
"""UNIX, version 2.0."""
_MODE = 0o100644 << 16
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, ValueError,
    EOFError, OSError, OverflowError,
)  # fmt: skip
"""What the standard reader raises for bytes that are no whole zip."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of ``files``, by name. Raises RefusedBundle for a name or size out of bounds."""
    for name in files:
        if not NAME.fullmatch(name):
            raise _refused(name, "is not a plain relative name", "rename the file", "unsafe_name")
    _bounded(len(files), sum(map(len, files.values())))
    body, directory = bytearray(), bytearray()
    for name in sorted(files, key=lambda n: (n != MANIFEST, n)):
        data, at = files[name], len(body)
        sizes = (zlib.crc32(data), len(data), len(data))
        about = (20, 0, 0, 0, _DATE, *sizes, len(name))
        body += _LOCAL.pack(b"PK\3\4", *about, 0) + name.encode() + data
        directory += _CENTRAL.pack(b"PK\1\2", _MADE_BY, *about, 0, 0, 0, 0, _MODE, at)
        directory += name.encode()
    end = (0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + _END.pack(b"PK\5\6", *end))


def unpack(data: bytes) -> dict[str, bytes]:
    """The files in an archive written by ``pack``, by name.

    Raises RefusedBundle with its reason: not_a_bundle, truncated, oversized, unsafe_name,
    duplicate, compressed, not_canonical. No name is ever used as a path.
    """
    _bounded(0, len(data))
    if data[:4] != b"PK\3\4":
        raise _refused("archive", "is no zip file", "give a model bundle", "not_a_bundle")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _members(archive)
    except RefusedBundle:
        raise
    except _BROKEN as error:
        raise _refused(
            "archive", f"is cut short or damaged ({error})", "fetch it again", "truncated"
        ) from error
    if pack(files) != data:
        raise _refused(
            "archive",
            "holds bytes that no bundle has (foreign or tampered)",
            "write it with evitals, or fetch it again",
            "not_canonical",
        )
    return files


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Every file, once its entry is known to be harmless; nothing is unpacked before that."""
    entries = archive.infolist()
    _bounded(len(entries), sum(entry.file_size for entry in entries))
    names: set[str] = set()
    for entry in entries:
        name = entry.orig_filename
        if not NAME.fullmatch(name):
            raise _refused(
                name, "is not a plain relative name", "do not use this file", "unsafe_name"
            )
        if name in names:
            raise _refused(name, "is in the archive twice", "do not use this file", "duplicate")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits:
            raise _refused(
                name,
                "is compressed or encrypted, as no bundle is",
                "write it with evitals",
                "compressed",
            )
        names.add(name)
    return {entry.orig_filename: archive.read(entry) for entry in entries}


def _bounded(count: int, size: int) -> None:
    if count > MOST_FILES or size > MOST_BYTES:
        raise _refused(
            f"{count} files, {size} bytes",
            f"is more than {MOST_FILES} files or {MOST_BYTES} bytes",
            "give a model bundle",
            "oversized",
        )


def _refused(what: str, problem: str, remedy: str, reason: str) -> RefusedBundle:
    return RefusedBundle("bundle", what, problem, remedy, reason=reason)
