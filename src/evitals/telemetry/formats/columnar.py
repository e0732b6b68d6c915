"""Parquet, Arrow IPC and newline-delimited JSON."""

import io
from collections.abc import Sequence

import numpy as np
import polars as pl

from evitals.errors import UnreadableFile
from evitals.telemetry.findings import found
from evitals.telemetry.formats.raw import Loaded, RawTable, check_rows, damaged
from evitals.telemetry.recording import Finding

BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
NESTED = (pl.List, pl.Struct, pl.Array, pl.Object, pl.Binary)


def open_parquet(data: bytes, name: str) -> RawTable:
    """A Parquet file: only the columns asked for are decoded."""
    if not data.endswith(b"PAR1"):
        raise UnreadableFile(
            name,
            data[-8:],
            "does not end like a Parquet file: it is half-written",
            "send it again, complete",
            reason="half_written",
        )
    try:
        schema = pl.read_parquet_schema(io.BytesIO(data))
        check_rows(pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item(), name)
    except BROKEN as error:
        raise damaged(name, error, "Parquet") from None

    def load(numbers: Sequence[str], texts: Sequence[str]) -> Loaded:
        try:
            table = pl.read_parquet(io.BytesIO(data), columns=[*numbers, *texts])
        except BROKEN as error:
            raise damaged(name, error, "Parquet") from None
        return as_numbers(table, numbers, name)

    return RawTable("parquet", tuple(schema), load)


def open_arrow(data: bytes, name: str) -> RawTable:
    """An Arrow IPC file or stream."""
    read = pl.read_ipc if data.startswith(b"ARROW1") else pl.read_ipc_stream
    try:
        table = read(io.BytesIO(data))
    except BROKEN as error:
        raise damaged(name, error, "Arrow") from None
    return held(table, "arrow", name)


def open_ndjson(data: bytes, name: str) -> RawTable:
    """One JSON object a line. A last line cut in half is dropped and reported."""
    findings: list[Finding] = []
    body = data.removeprefix(b"\xef\xbb\xbf").strip()
    if not body.endswith(b"}"):
        body, _, _ = body.rpartition(b"\n")
        rows = np.array([body.count(b"\n") + 1])
        message = "the last line is cut in half and was dropped"
        findings.append(found("half_written", "warning", rows, "", message, "send it again"))
    try:
        table = pl.read_ndjson(io.BytesIO(body), infer_schema_length=None)
    except BROKEN as error:
        raise damaged(name, error, "NDJSON") from None
    return held(table, "ndjson", name, findings)


def held(
    table: pl.DataFrame,
    shape: str,
    name: str,
    findings: Sequence[Finding] = (),
    names: Sequence[str] | None = None,
) -> RawTable:
    """A table that is in memory already."""
    check_rows(table.height, name)

    def load(numbers: Sequence[str], texts: Sequence[str]) -> Loaded:
        chosen, more = as_numbers(table.select([*numbers, *texts]), numbers, name)
        return chosen, [*findings, *more]

    return RawTable(shape, tuple(names or table.columns), load)  # type: ignore[arg-type]


def as_numbers(table: pl.DataFrame, numbers: Sequence[str], name: str) -> Loaded:
    """``numbers`` as float64; text that is no number becomes null and is reported with its rows."""
    findings = []
    casts = []
    for column in numbers:
        kind = table.schema[column]
        if kind in (pl.Float64,):
            continue
        if isinstance(kind, NESTED) or kind.is_temporal():
            raise UnreadableFile(
                name,
                column,
                f"holds {kind} where numbers belong",
                "write plain numbers",
                reason="wrong_type",
            )
        if kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
            casts.append(words := table[column].cast(pl.String).str.strip_chars())
            numeric = words.replace("", None).cast(pl.Float64, strict=False)
            bad = np.flatnonzero(
                (words.is_not_null() & (words != "") & numeric.is_null()).to_numpy()
            )
            if len(bad):
                sample = words[int(bad[0])]
                message = f"{len(bad)} values of {column!r} are no numbers, such as {sample!r:.40}"
                remedy = "they count as missing; write plain numbers with a decimal point"
                findings.append(found("not_a_number", "warning", bad, column, message, remedy))
            casts[-1] = numeric.alias(column)
        else:
            casts.append(table[column].cast(pl.Float64, strict=False))
    return table.with_columns(casts), findings
