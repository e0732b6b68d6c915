"""Every kind of file evitals reads: one declaration a file, registered here."""

from evitals.telemetry.sources import (
    bdf,
    bmw_i3,
    calce,
    ev_pack,
    lg_hg2,
    nasa,
    own,
    panasonic,
    reference_trip,
)
from evitals.telemetry.sources.registry import Detection, Registry
from evitals.telemetry.sources.source import Column, Facts, Source

SOURCES = Registry(
    [
        *bmw_i3.SOURCES,
        *ev_pack.SOURCES,
        *nasa.SOURCES,
        *lg_hg2.SOURCES,
        *panasonic.SOURCES,
        *calce.SOURCES,
        *bdf.SOURCES,
        *reference_trip.SOURCES,
        *own.SOURCES,
    ]
)
"""All sources; detection takes the most specific one that fits."""

__all__ = ["SOURCES", "Column", "Detection", "Facts", "Registry", "Source"]
