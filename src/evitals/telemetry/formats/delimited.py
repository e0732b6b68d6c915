"""CSV in any of the usual separators, UTF-8 or latin-1, with columns chosen by position.

Columns are read by position under names of our own, so a name that occurs twice, or was written in
another encoding, does no harm where it is not used.
"""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from evitals.errors import UnreadableFile
from evitals.telemetry.findings import found
from evitals.telemetry.formats.columnar import BROKEN, as_numbers
from evitals.telemetry.formats.raw import Loaded, RawTable, check_rows, damaged
from evitals.telemetry.recording import Finding

SEPARATORS = (",", ";", "\t", "|")
MAX_LINE_BYTES = 64 * 1024
MISSING = ["NA", "N/A", "null", "NULL", "None", "nan", "NaN", "NAN", "-nan"]
"""Words for a missing value; an empty cell is missing too."""


def open_csv(data: bytes, name: str) -> RawTable:
    """A CSV file with a header line. Raises UnreadableFile naming what is wrong."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    first, _, body = data.lstrip(b"\r\n").partition(b"\n")
    header = _decode(first.rstrip(b"\r"))
    separator = max(SEPARATORS, key=header.count)
    names = tuple(cell.strip() for cell in next(csv.reader([header], delimiter=separator)))
    if not body.strip():
        raise UnreadableFile(
            name, header, "is a header without samples", "send samples too", reason="header_only"
        )
    rows = body.count(b"\n") + (not body.endswith(b"\n"))
    _check_lines(len(body), rows, name)
    check_rows(rows, name)
    body, findings = _complete(body, separator, len(names), rows)
    if not body:
        raise UnreadableFile(
            name,
            header,
            "has no complete line of samples",
            "send it again, complete",
            reason="half_written",
        )

    def load(numbers: Sequence[str], texts: Sequence[str]) -> Loaded:
        table, more = _load(body, separator, names, numbers, texts, name)
        return table, [*findings, *more]

    return RawTable("csv", names, load)


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _check_lines(size: int, rows: int, name: str) -> None:
    """A file whose lines are longer than any sample is refused before the parser sees it."""
    if size / max(1, rows) > MAX_LINE_BYTES:
        raise UnreadableFile(
            name,
            f"{size} bytes in {rows} lines",
            f"has lines of more than {MAX_LINE_BYTES} bytes",
            "write one sample a line",
            reason="line_too_long",
        )


def _complete(body: bytes, separator: str, width: int, rows: int) -> tuple[bytes, list[Finding]]:
    """Drop a last line that was cut in half; report lines with too few or too many cells."""
    findings = []
    mark = separator.encode()
    if not body.endswith(b"\n"):
        rest, _, last = body.rpartition(b"\n")
        if last.count(mark) < width - 1 and b'"' not in last:
            body, rows = rest, rows - 1
            message = "the last line is cut in half and was dropped"
            remedy = "send the file again when it is complete"
            findings.append(found("half_written", "warning", np.array([rows]), "", message, remedy))
    if b'"' not in body and body.count(mark) != rows * (width - 1):
        lines = body.split(b"\n")
        odd = [i for i, line in enumerate(lines) if line.strip() and line.count(mark) != width - 1]
        if odd:
            message = f"{len(odd)} lines do not have {width} cells; missing ones count as missing"
            found_odd = found("ragged_line", "warning", np.array(odd), "", message, "check them")
            findings.append(found_odd)
    return body, findings


def _load(
    body: bytes,
    separator: str,
    names: Sequence[str],
    numbers: Sequence[str],
    texts: Sequence[str],
    name: str,
) -> Loaded:
    """The chosen columns: numbers at once, or by way of text where some cell is no number."""
    place = {column: f"column_{names.index(column)}" for column in [*numbers, *texts]}
    kinds = {f"column_{i}": pl.String for i in range(len(names))}
    fast = kinds | {place[column]: pl.Float64 for column in numbers}
    if not body.isascii():
        body = body if _is_utf8(body) else body.decode("latin-1").encode()
    # The words for a missing value cost a quarter of the parsing, and few files hold one.
    for words in [MISSING] if texts else [None, MISSING]:
        try:
            return _parse(body, separator, fast, place, words), []
        except BROKEN:
            pass
    try:
        table = _parse(body, separator, kinds, place, MISSING)
    except BROKEN as error:
        raise damaged(name, error, "CSV") from None
    table, findings = as_numbers(table, numbers, name)
    if numbers and all(table[column].null_count() == table.height for column in numbers):
        raise UnreadableFile(
            name,
            findings[0].message if findings else "nothing",
            "leaves no number in any column that is used",
            "check separator and decimal point",
            reason="no_numbers",
        )
    return table, findings


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse(
    body: bytes,
    separator: str,
    schema: Mapping[str, type[pl.DataType]],
    place: Mapping[str, str],
    missing: Sequence[str] | None,
) -> pl.DataFrame:
    """The columns of ``place``, our names to the parser's, in its order; ``missing``: words that
    mean no value."""
    table = pl.read_csv(
        io.BytesIO(body),
        has_header=False,
        schema=dict(schema),
        columns=list(place.values()),
        separator=separator,
        null_values=missing,
        truncate_ragged_lines=True,
    )
    # In place: `rename` would make and run a query plan.
    table = table.select(list(place.values())) if table.columns != list(place.values()) else table
    table.columns = list(place)
    return table
