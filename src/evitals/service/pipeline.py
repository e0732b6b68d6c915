"""From a file to a committed answer: read, check, cut, extract, fold, commit.

A returned report means that everything in it is committed. Trips are known by their content, so
whatever comes twice changes nothing. Trips of one vehicle are folded one ingest at a time;
different vehicles run in parallel and share commits.
"""

import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from evitals.battery import Vehicle
from evitals.estimators.answer import Answer
from evitals.fleet.records import Batch, FileRecord, LatestRecord, TripRecord, VehicleRecord
from evitals.fleet.store import Store
from evitals.service.fold import Folded, fold, replaced
from evitals.service.home import Home, safe_name, shown_name
from evitals.service.known import Described, battery_of, vehicle_record
from evitals.service.prepare import Prepared, prepare
from evitals.service.received import FileInfo, Received, assign
from evitals.service.report import FileReport, IngestReport, VehicleReport
from evitals.service.reporting import file_record, file_report, vehicle_report
from evitals.service.samples import Samples
from evitals.settings import Settings
from evitals.telemetry import Reading, read

STRIPES = 256
SUFFIXES = {
    "text/csv": ".csv",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-ndjson": ".ndjson",
    "application/vnd.apache.arrow.stream": ".arrow",
    "application/vnd.apache.arrow.file": ".arrow",
}
"""How bytes without a name are called, by media type."""

Battery = tuple[str, str]
"""Vehicle id, battery id."""


@dataclass(slots=True)
class _Work:
    """What one battery gets in one ingest."""

    vehicle: Vehicle
    trips: dict[str, TripRecord] = field(default_factory=dict)
    new: list[TripRecord] = field(default_factory=list)
    folded: Folded | None = None


class Pipeline:
    """Ingests files into a store. Methods may be called from any thread."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.home = Home(settings.home)
        self.samples = Samples(settings.home) if settings.keep_samples else None
        self._stripes = [threading.Lock() for _ in range(STRIPES)]

    def ingest(
        self, reading: Reading, file: FileInfo, vehicle_id: str | None = None
    ) -> IngestReport:
        """Ingest what was read of a file; returns after the commit.

        ``vehicle_id`` says whose it is, else the file does, else its name; recordings of vehicles
        nobody has described are reported ``held`` and not stored. Raises InputError
        (``several_vehicles``), StoreBusy.
        """
        return self.commit([assign(self.store, reading, file, vehicle_id)])

    def ingest_path(
        self,
        path: Path,
        *,
        vehicle_id: str | None = None,
        source: str | None = None,
        start: datetime | None = None,
        tz: str | None = None,
    ) -> IngestReport:
        """Read and ingest a file, which stays where it is.

        Raises UnreadableFile or InputError (nothing was stored), StoreBusy.
        """
        return self.commit(
            [self.receive(path, vehicle_id=vehicle_id, source=source, start=start, tz=tz)]
        )

    def ingest_bytes(
        self,
        data: bytes,
        name: str | None = None,
        media_type: str | None = None,
        vehicle_id: str | None = None,
        start: datetime | None = None,
        tz: str | None = None,
        source: str | None = None,
    ) -> IngestReport:
        """Read and ingest a message's body.

        Where its vehicle is unknown the bytes are kept in ``held/`` and read when it is
        described. Raises UnreadableFile or InputError (nothing was stored), StoreBusy.
        """
        label = safe_name(name or "message" + SUFFIXES.get(media_type or "", ""))
        received = self.receive(
            data, name=label, vehicle_id=vehicle_id, source=source, start=start, tz=tz
        )
        report = self.commit([received])
        if report.held:
            options = {"vehicle_id": vehicle_id, "source": source, "start": start, "tz": tz}
            self.hold(data, label, report.files[0], options)
        return report

    def hold(
        self, data: Path | bytes, name: str, report: FileReport, options: Mapping[str, object]
    ) -> None:
        """Keep a copy of a file or message in ``held/``, once, until its vehicle is described."""
        self.home.create()
        if all(reason.get("digest") != report.digest for _, reason in self.home.held_files()):
            self.home.to_held(self.home.keep(data, name), report.as_reason(options))

    def receive(
        self,
        data: Path | bytes,
        *,
        name: str | None = None,
        vehicle_id: str | None = None,
        source: str | None = None,
        start: datetime | None = None,
        tz: str | None = None,
    ) -> Received:
        """Read a file or bytes (which need a ``name``) and find whose each recording is.

        Raises UnreadableFile or InputError.
        """
        label = shown_name(name or (data.name if isinstance(data, Path) else "message"))
        described = Described(self.store)
        vehicle = described.find(vehicle_id) if vehicle_id else described.in_name(label)
        reading = read(
            data,
            name=label,
            as_source=source,
            start=start,
            tz=tz,
            vehicle=vehicle,
            lookup=None if vehicle_id else described.find,
            max_bytes=self.settings.max_file_bytes,
        )
        file = (
            FileInfo.of_path(data, label)
            if isinstance(data, Path)
            else FileInfo.of_bytes(data, label)
        )
        return assign(self.store, reading, file, vehicle_id, described)

    def commit(self, files: Sequence[Received]) -> IngestReport:
        """Store the trips of files, fold each battery once, and wait for the one commit."""
        prepared = [_prepare(received, self.samples) for received in files]
        work: dict[Battery, _Work] = {}
        for one in (p for places in prepared for p in places.values()):
            key = one.vehicle.vehicle_id, one.vehicle.battery_id
            work.setdefault(key, _Work(one.vehicle)).trips.update(
                (trip.digest, trip) for trip in one.trips
            )
        with self._locked(vehicle_id for vehicle_id, _ in work):
            known = self.store.known_trips([d for w in work.values() for d in w.trips])
            described = self._described(vehicle_id for vehicle_id, _ in work)
            for job in work.values():
                now = described.get(job.vehicle.vehicle_id)
                job.vehicle = battery_of(self.store, now, job.vehicle.battery_id)
                job.new = [t for t in job.trips.values() if t.digest not in known]
                known.update(t.digest for t in job.new)  # under two batteries: the first counts
                job.folded = fold(self.store, job.vehicle, job.new, self.settings)
            new = {t.digest for w in work.values() for t in w.new}
            answers = _answers(w.folded for w in work.values())
            reports = tuple(
                file_report(received, places, new, answers)
                for received, places in zip(files, prepared, strict=True)
            )
            self._submit(list(work.values()), reports, described)
        vehicles = tuple(vehicle_report(w.vehicle, w.folded, len(w.new)) for w in work.values())
        return IngestReport(files=reports, vehicles=vehicles)

    def rescore(self, vehicle_id: str) -> list[VehicleReport]:
        """Rebuild a vehicle's estimates from stored features, all its batteries; committed.

        Raises UnknownVehicle.
        """
        work = []
        blank: tuple[LatestRecord, ...] = ()
        with self._locked([vehicle_id]):
            described = self._described([vehicle_id])
            now = described.get(vehicle_id)
            history = [r.battery_id for r in self.store.description_history(vehicle_id)]
            for battery_id in dict.fromkeys([*history, now.battery_id]):
                vehicle = battery_of(self.store, now, battery_id)
                folded = fold(self.store, vehicle, [], self.settings, replay=True)
                work.append(_Work(vehicle, folded=folded))
            before = self.store.latest(vehicle_id)
            dated = {w.vehicle.battery_id for w in work if w.folded}
            if before and now.battery_id not in {*dated, before.prediction.battery_id}:
                blank = (replaced(before, now),)
            self._submit(work, (), described, always=True, latest=blank)
        return [vehicle_report(w.vehicle, w.folded, 0) for w in work]

    def _described(self, vehicle_ids: Iterable[str]) -> Described:
        """Vehicles as described now, read under their locks: one may have been described anew
        since its file was read, and rescored before its lock was free."""
        described = Described(self.store)
        described.read(vehicle_ids)
        return described

    def remember(self, report: FileReport) -> None:
        """Commit what became of a file that was not ingested."""
        self.store.submit(Batch(files=self._file_records([report]))).result()

    def _submit(
        self,
        work: Sequence[_Work],
        reports: Sequence[FileReport],
        described: Described,
        *,
        always: bool = False,
        latest: tuple[LatestRecord, ...] = (),
    ) -> None:
        """One batch for all; nothing is written where nothing is new."""
        changed = [w for w in work if w.new or always]
        folds = [w.folded for w in changed if w.folded]
        current = {
            w.vehicle.vehicle_id: described.get(w.vehicle.vehicle_id).battery_id for w in changed
        }
        batch = Batch(
            files=self._file_records(reports),
            vehicles=tuple(_undescribed(described, (w.vehicle for w in work))),
            trips=tuple(trip for w in changed for trip in w.new),
            predictions=tuple(p for f in folds for p in f.predictions),
            latest=latest
            + tuple(f.latest for f in folds if f.last.battery_id == current[f.last.vehicle_id]),
            states=tuple(f.state for f in folds),
        )
        if batch != Batch():
            self.store.submit(batch).result()

    def _file_records(self, reports: Sequence[FileReport]) -> tuple[FileRecord, ...]:
        """Records of files that are new, or were held or quarantined when they last came."""
        now = int(time.time())
        records = []
        for report in reports:
            before = self.store.file(report.digest)
            if before is None or before.state != "stored":
                record = file_record(report, before.received_s if before else now)
                if record != before:
                    records.append(record)
        return tuple(records)

    @contextmanager
    def _locked(self, vehicle_ids: Iterable[str]) -> Iterator[None]:
        """Hold the vehicles' locks; always taken in the same order, so none waits in a ring."""
        stripes = sorted({zlib.crc32(v.encode()) % STRIPES for v in vehicle_ids})
        with ExitStack() as held:
            for stripe in stripes:
                held.enter_context(self._stripes[stripe])
            yield


def _prepare(received: Received, samples: Samples | None) -> dict[int, Prepared]:
    """The recordings of known vehicles, by their place in the file."""
    return {
        place: prepare(owned.recording, owned.vehicle, samples)
        for place, owned in enumerate(received.owned)
        if owned.vehicle is not None
    }


def _undescribed(described: Described, vehicles: Iterable[Vehicle]) -> Iterator[VehicleRecord]:
    """Records of built-in vehicles that are used for the first time."""
    for vehicle_id in dict.fromkeys(v.vehicle_id for v in vehicles):
        record = described.record(vehicle_id)
        if record is None or record.description is None:
            yield vehicle_record(described.get(vehicle_id))


def _answers(folds: Iterable[Folded | None]) -> dict[str, Answer]:
    return {digest: answer for f in folds if f for digest, answer in f.answers.items()}
