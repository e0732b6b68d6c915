"""Dates in files to UTC: ISO 8601, loggers' formats, seconds since 1970; zones with DST."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from evitals.errors import InputError

FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S%.f",
    "%Y-%m-%d",
)
"""Tried in this order on text without a zone, after `T` became a space and `2019_12_08` a date."""
ZONED = "%Y-%m-%d %H:%M:%S%.f%:z"
MILLISECONDS_FROM = 1e11
"""Seconds since 1970 above this (the year 5138) are milliseconds."""
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2500, 1, 1, tzinfo=UTC)
"""A date outside is none: a broken clock, and centuries on Python's calendar would overflow."""


def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone. Raises InputError naming it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            "tz",
            name,
            "is not a time zone",
            "use an IANA name such as Europe/Berlin or UTC",
            reason="unknown_timezone",
        ) from None


def to_utc(moment: datetime, zone: str) -> datetime:
    """A moment in UTC; without a zone of its own it is local to ``zone``.

    Of the hour that comes twice in autumn the first is meant; the hour that is skipped in spring
    counts on from before it (PEP 495, fold 0). Raises InputError outside 1900 to 2500.
    """
    if not EARLIEST.year <= moment.year < LATEST.year:
        raise InputError(
            "start", moment.isoformat(), "is not between 1900 and 2500", "correct the date"
        )
    local = moment if moment.tzinfo else moment.replace(tzinfo=zone_of(zone))
    return local.astimezone(UTC)


def parse_stamps(column: pl.Series, zone: str) -> pl.Series:
    """A column of dates as UTC datetimes (microseconds), shape (n,); null where it is no date.

    Text, dates or numbers (seconds, or milliseconds, since 1970 UTC). Raises InputError where not
    one value is a date.
    """
    zone_of(zone)
    kind = column.dtype
    if kind.is_numeric():
        stamps = _from_numbers(column)
    elif kind == pl.Date or isinstance(kind, pl.Datetime):
        stamps = _localise(column.cast(pl.Datetime("us", getattr(kind, "time_zone", None))), zone)
    else:
        stamps = _from_text(column.cast(pl.String), zone)
    possible = stamps.is_between(EARLIEST, LATEST)
    if not possible.all():
        stamps = pl.select(pl.when(possible).then(stamps).alias(column.name)).to_series()
    if len(column) > column.null_count() and stamps.null_count() == len(stamps):
        raise InputError(
            column.name,
            column.drop_nulls().cast(pl.String)[0],
            "is not a date",
            "write ISO 8601, such as 2026-03-01T08:30:00Z",
            reason="bad_stamp",
        )
    return stamps


def _from_numbers(column: pl.Series) -> pl.Series:
    seconds = column.cast(pl.Float64).fill_nan(None)
    peak = seconds.abs().max()
    scale = 1e3 if isinstance(peak, float) and peak > MILLISECONDS_FROM else 1e6
    whole = pl.when(seconds.abs() * scale < 9e18).then(seconds * scale)
    micros = pl.select(whole.round().cast(pl.Int64, strict=False)).to_series()
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(column.name)


def _from_text(column: pl.Series, zone: str) -> pl.Series:
    text = column.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() == text.null_count():
        return _from_numbers(numbers)
    text = text.str.replace(r"^(\d{4})_(\d\d)_(\d\d)", "$1-$2-$3").str.replace(
        "T", " ", literal=True
    )
    text = text.str.replace(r"\s*Z$", "+00:00").str.replace(r"([+-]\d\d)(\d\d)$", "$1:$2")
    # A zone is "+hh:mm" after a time of day; the "-dd" of a date stands after no colon.
    if text.str.contains(r":\d\d(\.\d+)?[+-]\d\d:\d\d$").any():
        parsed = text.str.to_datetime(ZONED, time_unit="us", time_zone="UTC", strict=False)
        return parsed.alias(column.name)
    for pattern in FORMATS:
        parsed = text.str.to_datetime(pattern, time_unit="us", strict=False)
        if parsed.null_count() < len(parsed):
            break
    return _localise(parsed, zone).alias(column.name)


def _localise(stamps: pl.Series, zone: str) -> pl.Series:
    if getattr(stamps.dtype, "time_zone", None):
        return stamps.dt.convert_time_zone("UTC")
    local = stamps.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")
