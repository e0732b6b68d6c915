"""Public data sets: declared with citation and licence, fetched from their publishers, imported."""

from evitals.telemetry.datasets.catalogue import catalogue, dataset
from evitals.telemetry.datasets.dataset import Dataset, PublishedFile

__all__ = ["Dataset", "PublishedFile", "catalogue", "dataset"]
