"""Where data sets lie: ``datasets/`` in the store's folder."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evitals.telemetry.datasets.shelf import Shelf


def shelf_of(dataset_id: str, home: Path | None) -> "Shelf":
    """The data set's shelf below ``home`` (EVITALS_HOME by default)."""
    from evitals.settings import Settings
    from evitals.telemetry.datasets.shelf import Shelf

    return Shelf(Settings.load(home=home).home / "datasets" / dataset_id)
