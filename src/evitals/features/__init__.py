"""What a stretch of telemetry says in a few numbers."""

from evitals.features.definitions import FEATURES, INDEX, Feature
from evitals.features.extraction import Stream, as_dict, extract
from evitals.features.packing import pack, unpack

__all__ = ["FEATURES", "INDEX", "Feature", "Stream", "as_dict", "extract", "pack", "unpack"]
