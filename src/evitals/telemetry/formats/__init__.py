"""Bytes to raw tables: CSV, Parquet, NDJSON, Arrow, Excel workbooks, MATLAB v5.

``open_table`` looks at the first bytes, refuses what cannot be read, and returns a ``RawTable``:
the column names at once, the values when asked for.
"""

from evitals.errors import UnreadableFile
from evitals.telemetry.formats import columnar, delimited, matlab, workbook
from evitals.telemetry.formats.raw import RawTable
from evitals.telemetry.sources.source import Shape

SNIFF_BYTES = 64 * 1024
"""How much is looked at before a file is read; no line of text may be longer."""
CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r")
MAGIC: dict[bytes, Shape] = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"PK\x03\x04": "xlsx",
    b"MATLAB 5.0": "mat",
}
OPENERS = {
    "parquet": columnar.open_parquet,
    "arrow": columnar.open_arrow,
    "ndjson": columnar.open_ndjson,
    "xlsx": workbook.open_workbook,
    "mat": matlab.open_mat,
}


def sniff(head: bytes, name: str) -> Shape:
    """The shape of a file from its first bytes. Raises UnreadableFile for what no reader takes.

    Text is recognised by having no NUL and a line end (or the file's end) within the head.
    """
    if not head.strip():
        raise UnreadableFile(name, "", "is empty", "send a file with samples", reason="empty_file")
    for magic, shape in MAGIC.items():
        if head.startswith(magic):
            return shape
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableFile(
            name, head[:16], "is UTF-16 text", "save it as UTF-8", reason="wrong_encoding"
        )
    if _is_binary(head):
        raise UnreadableFile(
            name,
            head[:16],
            "is neither text nor a known format",
            "send CSV, Parquet, NDJSON, Arrow, an Arbin .xlsx or a MATLAB v5 .mat",
            reason="not_a_table",
        )
    if len(head) >= SNIFF_BYTES and b"\n" not in head and b"\r" not in head:
        raise UnreadableFile(
            name,
            head[:16],
            f"has a first line of more than {SNIFF_BYTES} bytes",
            "write one sample a line",
            reason="line_too_long",
        )
    return "ndjson" if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") else "csv"


def _is_binary(head: bytes) -> bool:
    control = len(head) - len(head.translate(None, CONTROL))
    return b"\x00" in head or control > len(head) // 100


def open_table(data: bytes, name: str) -> RawTable:
    """The raw table in ``data``. Raises UnreadableFile naming what is wrong and what to do."""
    shape = sniff(data[:SNIFF_BYTES], name)
    if shape == "csv":
        return delimited.open_csv(data, name)
    return OPENERS[shape](data, name)


__all__ = ["SNIFF_BYTES", "RawTable", "open_table", "sniff"]
