"""Publishers' own files that hold more, or other, than one table: turned into tables, unchanged.

* Digatron's CSV (the LG set): a preamble, a header, a line of units, then samples.
* NASA's ``B0005.mat``: one struct of cycles, each a table of its own.
* Archives, within bounds: number, names and unpacked size of what they hold.

Every function yields bytes that ``telemetry.read`` takes.
"""

import csv
import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evitals.errors import UnreadableFile
from evitals.telemetry.sources.nasa import parse_datevec

MAX_MEMBERS = 20_000
MAX_UNPACKED = 16 * 2**30
HEAD = 16 * 1024
NASA_COLUMNS = ("Time", "Voltage_measured", "Current_measured", "Temperature_measured")
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a publisher's file: the bytes of a CSV, and what the file says of it."""

    name: str
    data: bytes
    profile: str = ""
    ambient_degc: float | None = None
    start: Any = None


def is_digatron(head: bytes) -> bool:
    """Whether a file's first bytes are those of a Digatron export."""
    return b"Prog Time" in head and b"Time Stamp" in head


def digatron(data: bytes, name: str) -> Table:
    """The samples of a Digatron CSV in the columns of ``lg_18650hg2``, time from ``Prog Time``.

    Raises UnreadableFile where header or times are not what they should be.
    """
    lines = data.decode("latin-1").splitlines()
    at = next((k for k, line in enumerate(lines) if line.startswith("Time Stamp")), None)
    needed = ("Prog Time", "Voltage", "Current", "Temperature", "Capacity")
    header = [cell.strip() for cell in lines[at].split(",")] if at is not None else []
    lacking = [one for one in needed if one not in header]
    if at is None or lacking:
        raise _unreadable(name, ", ".join(lacking) or "no header", "are no Digatron columns")
    place = [header.index(one) for one in needed]
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(["Timestamp", "Time [s]", "Voltage [V]", "Current [A]", "Temperature [degC]",
           "Capacity [Ah]"])  # fmt: skip
    first: float | None = None
    for line in lines[at + 2 :]:  # the line after the header holds units
        cells = line.split(",")
        clock = _CLOCK.fullmatch(cells[place[0]].strip()) if len(cells) > max(place) else None
        if clock is None:
            if line.strip(", "):
                raise _unreadable(name, line[:60], "is no line of samples")
            continue
        seconds = 3600.0 * int(clock[1]) + 60.0 * int(clock[2]) + float(clock[3])
        first = seconds if first is None else first
        write(["", f"{seconds - first:.3f}", *(cells[k].strip() for k in place[1:])])
    return Table(name, out.getvalue().encode())


def nasa_cycles(data: bytes, name: str) -> Iterator[Table]:
    """The charges and discharges in one of NASA's ``.mat`` files; impedance holds no series.

    No object or code in the file is ever run. Raises UnreadableFile for other structs.
    """
    from scipy import io as scipy_io

    try:
        content = scipy_io.loadmat(io.BytesIO(data), squeeze_me=True, struct_as_record=True)
        cell = next(value for key, value in content.items() if not key.startswith("__"))
        cycles = np.atleast_1d(cell["cycle"].item())
    except Exception as error:  # scipy raises nearly anything on damaged bytes
        raise _unreadable(name, str(error)[:60], "stops the reader of NASA's .mat") from None
    for index, cycle in enumerate(cycles):
        kind, values = str(cycle["type"]), cycle["data"]
        if kind not in ("charge", "discharge"):
            continue
        vectors = [np.atleast_1d(np.asarray(values[c].item(), float)) for c in NASA_COLUMNS]
        if len({len(vector) for vector in vectors}) != 1:
            raise _unreadable(name, f"cycle {index}", "has columns of different lengths")
        out = io.StringIO()
        out.write(",".join(NASA_COLUMNS) + "\n")
        np.savetxt(out, np.column_stack(vectors), fmt="%.9g", delimiter=",")
        yield Table(
            name=f"{Path(name).stem}_{index:04d}",
            data=out.getvalue().encode(),
            profile=kind,
            ambient_degc=float(cycle["ambient_temperature"]),
            start=parse_datevec(" ".join(str(part) for part in np.atleast_1d(cycle["time"]))),
        )


def unpack(archive: Path, folder: Path) -> Path:
    """The archive's files in ``folder``, archives within it too (one level). Done once.

    Raises UnreadableFile for a damaged archive, a name that leaves the folder, or one that holds
    more than MAX_MEMBERS files or MAX_UNPACKED bytes.
    """
    done = folder / ".complete"
    if done.is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    budget = _extract(archive, folder, MAX_UNPACKED)
    for inner in sorted(folder.rglob("*.zip")):
        into = inner.with_suffix("")
        into.mkdir(exist_ok=True)
        budget = _extract(inner, into, budget)
        inner.unlink()
    done.touch()
    return folder


def _extract(archive: Path, folder: Path, budget: int) -> int:
    """Unpack and return what is left of the ``budget`` of bytes."""
    try:
        with zipfile.ZipFile(archive) as content:
            members = [one for one in content.infolist() if not one.is_dir()]
            size = sum(one.file_size for one in members)
            if len(members) > MAX_MEMBERS or size > budget:
                raise _unreadable(
                    archive.name, f"{len(members)} files of {size} bytes", "are too many to unpack"
                )
            if size > shutil.disk_usage(folder).free:
                raise _unreadable(archive.name, f"{size} bytes", "do not fit on the disk unpacked")
            for member in members:
                _extract_one(content, member, folder, archive.name)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise _unreadable(archive.name, str(error)[:60], "stops the reader of archives") from None
    return budget - size


def _extract_one(
    content: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, archive: str
) -> None:
    target = (folder / member.filename).resolve()
    if not target.is_relative_to(folder.resolve()) or "\\" in member.filename:
        raise _unreadable(archive, member.filename[:60], "is a name that leaves the folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with content.open(member) as source, target.open("wb") as out:
        # The header may lie about the size: what comes is counted.
        while block := source.read(min(1 << 20, left + 1)):
            left -= len(block)
            if left < 0:
                raise _unreadable(archive, member.filename[:60], "is larger than it says")
            out.write(block)


def _unreadable(name: str, value: str, problem: str) -> UnreadableFile:
    return UnreadableFile(
        name, value, problem, "fetch the publisher's file again", reason="damaged_file"
    )
