"""What a public data set is: a declaration with citation, licence and the publisher's own files."""

import re
from dataclasses import dataclass

from evitals.errors import InputError

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+@()-]{0,199}(?<![ .])")
"""A file's name without a path: nothing that leaves the folder it is put into."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file at its publisher's. ``sha256`` (hex) and ``size`` (bytes) where the publisher says.

    A file without ``sha256`` is trusted on first use: its checksum is recorded then, and any later
    download must equal it.
    """

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name):
            raise InputError(
                "name", self.name, "is no plain file name", "name a file without a folder"
            )
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise InputError("sha256", self.sha256, "is no SHA-256", "give 64 hex digits or none")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files of one reader tell test, profile and cell; ``source`` names the reader.

    ``pattern`` is searched in the file's path within its folder (groups: ``profile``, ``cell``).
    ``sampling`` says how the samples came about. The parts of a file carry their own profile in a
    ``sidecar`` (``tests.parquet``) where it exists; ``profile`` is that of all where given.
    """

    source: str
    sampling: str
    pattern: str = ""
    sidecar: str | None = None
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A public data set. ``licence`` is what it is understood to be; the publisher decides.

    ``listing``: address of the publisher's own list of files (JSON with sizes and SHA-256).
    ``wanted``: which of the listed files are taken (a pattern on the name). ``capacity_ah``: what
    SoC is counted on where a test starts full (``starts_full``: a pattern on the profile).
    """

    id: str
    title: str
    cell: str
    chemistry: str
    citation: str
    doi: str | None
    licence: str
    homepage: str
    readings: tuple[Reading, ...]
    files: tuple[PublishedFile, ...] = ()
    listing: str | None = None
    wanted: str = ""
    capacity_ah: float | None = None
    starts_full: str = ""
    notes: tuple[str, ...] = ()

    def reading(self, source: str) -> Reading | None:
        """How files of this reader are told apart, or None: they are not of this set."""
        return next((one for one in self.readings if one.source == source), None)
