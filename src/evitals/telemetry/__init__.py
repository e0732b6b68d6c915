"""What vehicles and benches recorded: readers, checks, trips."""

from evitals.telemetry.digest import content_digest
from evitals.telemetry.reader import Reading, read
from evitals.telemetry.recording import Finding, Recording, Trip
from evitals.telemetry.sources import SOURCES, Detection

__all__ = [
    "SOURCES",
    "Detection",
    "Finding",
    "Reading",
    "Recording",
    "Trip",
    "content_digest",
    "read",
]
