"""A file that came in: which bytes, which recordings, and whose each is."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from evitals.battery import Identifier, Vehicle
from evitals.errors import InputError, UnreadableFile
from evitals.fleet.store import Store
from evitals.service.digest import digest_bytes, digest_file, digest_of
from evitals.service.home import shown_name
from evitals.service.known import Described, battery_of
from evitals.telemetry import Reading, Recording, content_digest


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file or message: its name as shown, the digest of its bytes, its size."""

    name: str
    digest: str
    size_bytes: int

    @classmethod
    def of_path(cls, path: Path, name: str | None = None) -> "FileInfo":
        """Of a file; its bytes are read in pieces."""
        return cls(name or shown_name(path.name), digest_file(path), path.stat().st_size)

    @classmethod
    def unread(cls, name: str, size_bytes: int) -> "FileInfo":
        """Of a file too large or too odd to be read: known by name and size only."""
        return cls(name, digest_of("unread", name, str(size_bytes)), size_bytes)

    @classmethod
    def of_bytes(cls, data: bytes, name: str) -> "FileInfo":
        """Of a message's body."""
        return cls(shown_name(name), digest_bytes(data), len(data))


@dataclass(frozen=True, slots=True)
class Owned:
    """A recording and the vehicle it is of; ``vehicle`` is None where nobody has described
    ``wanted`` (or where nothing names one)."""

    recording: Recording
    vehicle: Vehicle | None
    wanted: str | None


@dataclass(frozen=True, slots=True)
class Received:
    """A file's recordings, each with its owner."""

    file: FileInfo
    reading: Reading
    owned: tuple[Owned, ...]


def assign(
    store: Store,
    reading: Reading,
    file: FileInfo,
    vehicle_id: str | None = None,
    described: Described | None = None,
) -> Received:
    """Whose each recording is: ``vehicle_id``, else the file's own, else the one its name begins
    with. ``described``: the vehicles as far as they were read for this file.

    Raises InputError where ``vehicle_id`` names one vehicle and the file several
    (``several_vehicles``), or an id is none that could be described (``bad_vehicle_id``).
    """
    own = {r.vehicle_id for r in reading.recordings} - {None}
    if vehicle_id is not None and len(own) > 1:
        raise InputError(
            "vehicle_id",
            vehicle_id,
            f"names one vehicle, but {file.name} holds {len(own)}",
            "leave the vehicle out: the file names its vehicles itself",
            reason="several_vehicles",
        )
    described = Described(store) if described is None else described
    named = described.in_name(file.name) if vehicle_id is None else None
    owned = []
    for recording in reading.recordings:
        wanted = vehicle_id or recording.vehicle_id or (named.vehicle_id if named else None)
        if wanted is not None:
            _check_id(wanted, file)
        vehicle = described.find(wanted) if wanted else None
        if vehicle is not None:
            vehicle = battery_of(store, vehicle, recording.battery_id)
            recording = _of(recording, vehicle.vehicle_id)
        owned.append(Owned(recording, vehicle, wanted))
    return Received(file, reading, tuple(owned))


def _of(recording: Recording, vehicle_id: str) -> Recording:
    """The recording with this owner in its digest, whoever named the owner."""
    if recording.vehicle_id == vehicle_id:
        return recording
    certain = recording.start if recording.start_origin in ("file", "option") else None
    digest = content_digest(recording.table, certain, vehicle_id)
    return recording.with_(vehicle_id=vehicle_id, digest=digest)


def _check_id(vehicle_id: str, file: FileInfo) -> None:
    try:
        msgspec.convert(vehicle_id, Identifier)
    except msgspec.ValidationError:
        raise UnreadableFile(
            file.name,
            vehicle_id,
            "is no vehicle id: letters, digits and . _ : - only, at most 64",
            "correct the id, or say the vehicle: --vehicle, ?vehicle_id=",
            reason="bad_vehicle_id",
        ) from None
