"""NASA PCoE ageing cells: the CSV export of the .mat files, and one Parquet file a cell.

`metadata.csv` beside the CSV names cell, start time, ambient and kind of test. Its start time is
a MATLAB date vector as NumPy prints it, "[2010. 6. 3. 18. 29. 28.093]" or
"[2.0080e+03 4.0000e+00 ...]".
Current is positive while charging in the source. Impedance files hold no time series: refused.
"""

import csv
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from evitals.telemetry.sources.sidecar import beside, damaged_metadata
from evitals.telemetry.sources.source import Column, Facts, Source

MAX_METADATA_BYTES = 16 * 2**20


def parse_datevec(text: str) -> datetime | None:
    """A MATLAB date vector [year month day hour minute second] as a datetime, else None.

    Seconds may be fractional and may reach 60: they are added, not written into the field.
    """
    try:
        year, month, day, hour, minute, second = map(float, text.strip().strip("[]").split())
        start = datetime(int(year), int(month), int(day))  # noqa: DTZ001
        return start + timedelta(hours=hour, minutes=minute, seconds=round(second, 6))
    except (ValueError, OverflowError):
        return None


def metadata(path: Path) -> Mapping[str, Facts]:
    """Facts by file name from `metadata.csv` in the data file's folder.

    Raises UnreadableFile where it is damaged.
    """
    file = path.parent / "metadata.csv"
    if not file.is_file() or file.stat().st_size > MAX_METADATA_BYTES:
        return {}
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except csv.Error as error:
        raise damaged_metadata(file, error) from None
    return {
        row["filename"]: Facts(
            start=parse_datevec(row.get("start_time") or ""),
            vehicle_id=row.get("battery_id") or None,
            ambient_degc=_number(row.get("ambient_temperature")),
        )
        for row in rows
        if row.get("filename")
    }


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


SOURCES = [
    Source(
        name="nasa_pcoe",
        about="the NASA PCoE CSV export",
        shapes=["csv"],
        level="cell",
        required=["Voltage_measured", "Current_measured", "Temperature_measured", "Time"],
        columns={
            "Time": Column("time_s"),
            "Voltage_measured": Column("voltage_v"),
            "Current_measured": Column("current_a"),
            "Temperature_measured": Column("temperature_degc"),
        },
        sidecar=metadata,
        by_file=True,
    ),
    Source(
        name="nasa_pcoe_parquet",
        about="the NASA PCoE cells as Parquet",
        shapes=["parquet"],
        level="cell",
        part="test_id",
        vehicle="cell_id",
        required=["cell_id", "test_id", "step", "time_s", "current_A", "voltage_V"],
        columns={
            "time_s": Column("time_s"),
            "current_A": Column("current_a"),
            "voltage_V": Column("voltage_v"),
            "temperature_C": Column("temperature_degc"),
        },
        sidecar=beside("cycles.parquet", "test_id", vehicle="cell_id"),
    ),
]
