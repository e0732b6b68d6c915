"""From a folder of a publisher's files (or their Parquet form) to tests on the shelf."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from evitals.errors import InputError, UnreadableFile
from evitals.telemetry.celltest import CellTest
from evitals.telemetry.datasets.dataset import Dataset
from evitals.telemetry.datasets.dataset import Reading as Described
from evitals.telemetry.datasets.publisher import (
    HEAD,
    Table,
    digatron,
    is_digatron,
    nasa_cycles,
    unpack,
)
from evitals.telemetry.datasets.shelf import Shelf
from evitals.telemetry.reader import read
from evitals.telemetry.recording import Recording

SUFFIXES = {".csv", ".mat", ".xlsx", ".parquet"}
BESIDE = {"tests.parquet", "cycles.parquet", "metadata.csv", "index.parquet",
          "impedance.parquet", "discharge_features.parquet"}  # fmt: skip
MAX_FILES = 50_000
LEAST_SAMPLES = 10

_AMBIENT = re.compile(r"(?:^|[/_ ])(?P<minus>n|-)?(?P<degc>\d{1,2})deg ?C")
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Imported:
    """What an import did: tests ``added``, ``known`` already, files ``skipped`` with reasons."""

    files: int = 0
    added: int = 0
    known: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


def import_folder(
    dataset: Dataset,
    folder: Path,
    shelf: Shelf,
    progress: Progress = lambda _done, _total: None,
) -> Imported:
    """Put every test found in ``folder`` (and its folders and archives) on the shelf.

    What cannot be read is named with its reason and does not stop the rest; a second import of the
    same files adds nothing. Raises InputError where nothing at all could be read.
    """
    if not folder.is_dir():
        raise InputError(
            "folder", str(folder), "is no folder", f"download the files from {dataset.homepage}"
        )
    done = Imported()
    files = list(_files(folder, shelf, done))
    if len(files) > MAX_FILES:
        raise InputError("folder", str(folder), f"holds {len(files)} files", "choose a smaller one")
    with shelf.adding() as add:
        for number, (file, root) in enumerate(files, 1):
            done.files += 1
            try:
                for test, facts in _tests(dataset, file, root):
                    new = add(test, facts)
                    done.added += new
                    done.known += not new
            except UnreadableFile as error:
                done.skipped.append((file.relative_to(root).as_posix(), str(error)))
            progress(number, len(files))
    if not done.added and not done.known:
        reasons = "; ".join(f"{name}: {why}" for name, why in done.skipped[:3])
        raise InputError(
            "folder",
            str(folder),
            f"holds no test of {dataset.id}" + (f" ({reasons})" if reasons else ""),
            f"give the folder of the publisher's files ({dataset.homepage})",
            reason="nothing_imported",
        )
    return done


def _files(folder: Path, shelf: Shelf, done: Imported) -> Iterator[tuple[Path, Path]]:
    """Data files with the folder their names are told from; archives are unpacked."""
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() == ".zip" and file.is_file():
            try:
                inner = unpack(file, shelf.folder / "unpacked" / file.stem)
            except UnreadableFile as error:
                done.skipped.append((file.name, str(error)))
                continue
            yield from _files(inner, shelf, done)
        elif file.suffix.lower() in SUFFIXES and file.name not in BESIDE and file.is_file():
            yield file, folder


def _tests(
    dataset: Dataset, file: Path, root: Path
) -> Iterator[tuple[CellTest, dict[str, object]]]:
    relative = file.relative_to(root).as_posix()
    facts: dict[str, dict[str, Any]] = {}
    for recording, table in _recordings(dataset, file):
        described = dataset.reading("nasa_mat" if table and table.profile else recording.source)
        if described is None:
            known = ", ".join(one.source for one in dataset.readings)
            raise UnreadableFile(
                relative, recording.source, f"is no file of {dataset.id}", f"it has {known}"
            )
        if described.sidecar and not facts:
            facts = _sidecar(file.parent / described.sidecar, file.stem)
        if recording.table.height >= LEAST_SAMPLES:
            about = facts.get(recording.part or file.name, {})
            yield _test(dataset, described, recording, table, about, relative)


def _recordings(dataset: Dataset, file: Path) -> Iterator[tuple[Recording, Table | None]]:
    """What is in a file: read as it is, or first turned into tables."""
    with file.open("rb") as data:
        head = data.read(HEAD)
    if is_digatron(head):
        table = digatron(file.read_bytes(), file.name)
        yield read(table.data, name=file.name, as_source="lg_18650hg2").recordings[0], table
    elif dataset.reading("nasa_mat") and file.suffix.lower() == ".mat":
        for table in nasa_cycles(file.read_bytes(), file.name):
            name = f"{table.name}.csv"
            found = read(table.data, name=name, as_source="nasa_pcoe", start=table.start)
            yield found.recordings[0], table
    else:
        for recording in read(file).recordings:
            yield recording, None


def _test(
    dataset: Dataset,
    described: Described,
    recording: Recording,
    table: Table | None,
    about: dict[str, Any],
    relative: str,
) -> tuple[CellTest, dict[str, object]]:
    match = re.search(described.pattern, relative) if described.pattern else None
    if described.pattern and match is None:
        raise UnreadableFile(
            relative,
            described.pattern,
            f"is what the names of {dataset.id} look like, this one does not",
            "keep the publisher's file names: they tell test and profile",
            reason="foreign_name",
        )
    named = match.groupdict() if match else {}
    cell = recording.vehicle_id or named.get("cell") or dataset.cell
    profile = _profile(described, recording, table, about, named) or Path(relative).stem
    columns, soc_from = _columns(dataset, recording.table, profile)
    test = CellTest(
        test_id=_id(recording, table, relative, cell),
        cell=cell,
        profile=profile,
        columns=columns,
        ambient_degc=_ambient(recording, table, relative),
        source=dataset.id,
        sampling=described.sampling,
    )
    excluded = next((f.message for f in recording.findings if f.code == "excluded"), "")
    return test, {
        "start": recording.start,
        "source_file": relative,
        "soc_from": soc_from,
        "excluded": excluded,
    }


def _profile(
    described: Described,
    recording: Recording,
    table: Table | None,
    about: dict[str, Any],
    named: dict[str, str | None],
) -> str:
    """What was driven: of the set, the file, the index beside it, the name, the part."""
    told = (table.profile if table else "") or about.get("profile") or about.get("step")
    if about.get("temp_rise"):
        told = f"trise_{told}"  # the aged cell: never mixed with its fresh tests
    return described.profile or str(told or named.get("profile") or recording.part)


def _columns(dataset: Dataset, table: pl.DataFrame, profile: str) -> tuple[dict[str, Any], str]:
    """The measured columns; ``soc`` is counted from a full start where none is delivered."""
    columns = {
        one.name: one.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for one in table.iter_columns()
        if one.null_count() < table.height and one.name not in ("power_w", "ambient_degc")
    }
    if "soc" in columns:
        return columns, "as delivered"
    full = re.fullmatch(dataset.starts_full, profile) if dataset.starts_full else None
    if full is None or dataset.capacity_ah is None or "charge_ah" not in columns:
        return columns, ""
    counted = columns["charge_ah"]
    columns["soc"] = 1.0 + (counted - counted[0]) / dataset.capacity_ah
    return columns, f"counter from a full start, {dataset.capacity_ah:g} Ah"


def _ambient(recording: Recording, table: Table | None, relative: str) -> float | None:
    if table is not None and table.ambient_degc is not None:
        return table.ambient_degc
    if "ambient_degc" in recording.table.columns:
        value = recording.table["ambient_degc"][0]
        return None if value is None else float(value)
    match = _AMBIENT.search(relative)
    if match is None:
        return None
    return (-1.0 if match["minus"] else 1.0) * float(match["degc"])


def _id(recording: Recording, table: Table | None, relative: str, cell: str) -> str:
    if table is not None and table.profile:
        return table.name
    if recording.part:
        # A cell's tests are numbered from 0 for each cell.
        return f"{cell}_{recording.part}" if recording.part.isdigit() else recording.part
    return relative.rsplit(".", 1)[0].replace("/", "_")


def _sidecar(file: Path, cell: str) -> dict[str, dict[str, Any]]:
    """Rows of an index beside the data by test id; of one cell where it holds several."""
    if not file.is_file():
        return {}
    try:
        if file.suffix == ".csv":  # NASA's metadata.csv names the kind of test by file
            rows = pl.read_csv(file, columns=["filename", "type"], infer_schema=False)
            rows = rows.rename({"filename": "test_id", "type": "step"})
        else:
            rows = pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError):
        return {}  # the reader of the data reports it
    if "test_id" not in rows.columns:
        return {}
    if "cell_id" in rows.columns and cell in rows["cell_id"].cast(pl.String).to_list():
        rows = rows.filter(pl.col("cell_id").cast(pl.String) == cell)
    kept = [name for name in ("profile", "step", "temp_rise") if name in rows.columns]
    return {
        str(row["test_id"]): {name: row[name] for name in kept}
        for row in rows.select("test_id", *kept).iter_rows(named=True)
    }
