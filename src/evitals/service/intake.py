"""What becomes of a file that was claimed: read, committed, and put where it belongs.

Committed first, moved after: a process that dies between the two reads the file again and finds
its trips known.
"""

import logging
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from evitals.errors import InputError, UnreadableFile
from evitals.service.home import Home, is_regular, shown_name
from evitals.service.known import find_vehicle, vehicle_in_name
from evitals.service.pipeline import Pipeline
from evitals.service.received import FileInfo
from evitals.service.report import FileReport, IngestReport
from evitals.service.reporting import refused_report

log = logging.getLogger(__name__)


class Intake:
    """Takes claimed files through a pipeline and out of the way."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.home: Home = pipeline.home

    def take(self, path: Path) -> IngestReport:
        """Ingest a claimed file; afterwards it lies in archive/, held/ or quarantine/.

        Raises StoreBusy or StoreError with the file still claimed: take it again later.
        """
        options = self.home.options(path)
        try:
            report = self._read(path, options)
        except InputError as error:
            return self._quarantine(path, error)
        except PermissionError as error:
            return self._quarantine(path, _forbidden(path, error))
        file = report.files[0]
        if report.held:
            self.home.to_held(path, file.as_reason(options))
        else:
            self.home.to_archive(path)
        log.info("%s: %s %s", file.name, file.state, file.reason)
        return report

    def give_up(self, path: Path, error: Exception) -> IngestReport:
        """Quarantine a claimed file over which evitals itself failed; the log has the details."""
        return self._quarantine(
            path,
            UnreadableFile(
                shown_name(path.name),
                type(error).__name__,
                "happened while it was read: a fault of evitals, not of the file",
                "report it with the log, then put the file into incoming/ again",
                reason="internal_error",
            ),
        )

    def release(self, vehicle_id: str) -> list[IngestReport]:
        """Take the held files that waited for this vehicle's description."""
        reports = []
        for path, reason in self.home.held_files():
            if self._waits_for(path, reason, vehicle_id):
                claimed = self.home.claim(path)
                if claimed is not None:
                    reports.append(self.take(claimed))
        return reports

    def releasable(self) -> list[Path]:
        """Held files whose vehicle is known by now (described while nobody watched)."""
        store = self.pipeline.store
        return [
            path
            for path, reason in self.home.held_files()
            if any(find_vehicle(store, v) for v in reason.get("vehicle_ids", []))
            or (not reason.get("vehicle_ids") and vehicle_in_name(store, path.name))
        ]

    def _waits_for(self, path: Path, reason: dict[str, Any], vehicle_id: str) -> bool:
        if reason.get("vehicle_ids"):
            return vehicle_id in reason["vehicle_ids"]
        named = vehicle_in_name(self.pipeline.store, path.name)
        return named is not None and named.vehicle_id == vehicle_id

    def _read(self, path: Path, options: dict[str, str]) -> IngestReport:
        if not is_regular(path):
            raise UnreadableFile(
                shown_name(path.name),
                "a link, pipe or folder",
                "is not a plain file",
                "put the file itself into incoming/",
                reason="not_a_file",
            )
        start = options.get("start")
        return self.pipeline.ingest_path(
            path,
            vehicle_id=options.get("vehicle_id"),
            source=options.get("source"),
            start=datetime.fromisoformat(start) if start else None,
            tz=options.get("tz"),
        )

    def _quarantine(self, path: Path, error: InputError) -> IngestReport:
        name = shown_name(path.name)
        file = FileInfo.unread(name, path.lstat().st_size)
        if is_regular(path) and file.size_bytes <= self.pipeline.settings.max_file_bytes:
            with suppress(OSError):
                file = FileInfo.of_path(path, name)
        report: FileReport = refused_report(file, error, moved=True)
        self.pipeline.remember(report)
        self.home.to_quarantine(path, report.as_reason())
        log.warning("%s: quarantined, %s: %s", name, report.reason, report.message)
        return IngestReport(files=(report,))


def _forbidden(path: Path, error: OSError) -> UnreadableFile:
    return UnreadableFile(
        shown_name(path.name),
        error.strerror,
        "was the answer when it was opened",
        "let the service's user read it, then put it into incoming/ again",
        reason="forbidden",
    )
