"""Excel workbooks (.xlsx), read by calamine through fastexcel."""

import io
import zipfile

import fastexcel
import polars as pl

from evitals.errors import UnreadableFile
from evitals.telemetry.formats.columnar import held
from evitals.telemetry.formats.raw import RawTable, damaged

MAX_UNPACKED_BYTES = 2 * 2**30
MIN_COLUMNS = 3


def open_workbook(data: bytes, name: str) -> RawTable:
    """The samples of a workbook: all sheets that share the header of the longest one.

    Arbin spreads a long test over several sheets `Channel_1-008_1`, `..._2`: they are joined.
    """
    _check_unpacked(data, name)
    try:
        book = fastexcel.read_excel(data)
        sheets = [book.load_sheet(sheet, header_row=0).to_polars() for sheet in book.sheet_names]
    except (fastexcel.FastExcelError, ValueError, OSError, pl.exceptions.PolarsError) as error:
        raise damaged(name, error, "Excel") from None
    tables = [sheet for sheet in sheets if sheet.height and sheet.width >= MIN_COLUMNS]
    if not tables:
        raise UnreadableFile(
            name, "", "has no sheet with samples", "send samples", reason="header_only"
        )
    longest = max(tables, key=lambda table: table.height)
    same = [table for table in tables if table.columns == longest.columns]
    table = pl.concat(same, how="vertical_relaxed")
    return held(table.rename({column: column.strip() for column in table.columns}), "xlsx", name)


def _check_unpacked(data: bytes, name: str) -> None:
    """A small archive may unpack to more than memory holds: refuse it before it does."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            is_workbook = any(entry.filename.startswith("xl/") for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise damaged(name, error, "Excel") from None
    if not is_workbook:
        raise UnreadableFile(
            name,
            "a zip archive",
            "is not an Excel workbook",
            "unpack it and send the files inside",
            reason="not_a_table",
        )
    if unpacked > MAX_UNPACKED_BYTES:
        raise UnreadableFile(
            name,
            unpacked,
            f"bytes when unpacked are more than {MAX_UNPACKED_BYTES}",
            "split the workbook",
            reason="too_large",
        )
