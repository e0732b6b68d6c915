"""A home with a store, and a good history that no bad input may change."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from evitals.fleet.open import open_store
from evitals.service.intake import Intake
from evitals.service.pipeline import Pipeline
from evitals.service.report import IngestReport
from evitals.settings import Settings

from .made_up import csv, drive

ID = "bmw-i3-60ah"
Drop = Callable[..., IngestReport]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """Four good trips are known already."""
    home = tmp_path / "home"
    home.mkdir()
    with closing(open_store(home)) as store:
        made = Pipeline(store, Settings(home=home, max_file_bytes=2 * 2**20))
        made.home.create()
        made.commit(
            [made.receive(csv(drive(day)), name=f"{ID}_{day}.csv") for day in range(10, 14)]
        )
        yield made


@pytest.fixture
def drop(pipeline: Pipeline) -> Drop:
    """Takes bytes through the folder intake, as the watch does with a file called ``name``."""

    def take(data: bytes, name: str = f"{ID}_x.csv") -> IngestReport:
        path = pipeline.home.incoming / name
        path.write_bytes(data)
        claimed = pipeline.home.claim(path)
        assert claimed is not None
        return Intake(pipeline).take(claimed)

    return take
