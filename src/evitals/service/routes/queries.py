"""Path and query parameters that several endpoints share: type, bounds, meaning, example.

Litestar drops a ``Meta`` that stands beside a ``QueryParameter``, so bounds are said in the latter.
"""

from datetime import datetime
from typing import Annotated, Any, get_args

import msgspec
from litestar.openapi.spec import Example, OpenAPIFormat
from litestar.params import PathParameter, QueryParameter

from evitals.battery import Identifier
from evitals.errors import InputError

_ID: dict[str, Any] = {
    name: getattr(get_args(Identifier)[1], name) for name in ("min_length", "max_length", "pattern")
}

Offset = Annotated[
    int, QueryParameter(ge=0, le=10_000_000, description="How many rows to pass over")
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Most rows of a page")]
Search = Annotated[
    str,
    QueryParameter(
        max_length=120, description="Part of a vehicle id", examples=[Example(value="van")]
    ),
]
VehicleId = Annotated[
    str,
    PathParameter(description="A vehicle's id", examples=[Example(value="van-7")], **_ID),
]
VehicleQuery = Annotated[
    str | None,
    QueryParameter(
        description="Whose recording it is, where the body does not say",
        examples=[Example(value="van-7")],
        **_ID,
    ),
]


def _time(description: str, example: str) -> QueryParameter:
    return QueryParameter(
        max_length=40,
        description=f"{description}, ISO 8601",
        format=OpenAPIFormat.DATE_TIME,
        examples=[Example(value=example)],
    )


Since = Annotated[str | None, _time("Event time from", "2020-01-01T00:00:00Z")]
Until = Annotated[str | None, _time("Event time up to and including", "2035-01-01T00:00:00Z")]
Start = Annotated[
    str | None,
    _time("Event time of the first sample, where the body does not say", "2025-11-10T08:00:00Z"),
]


def parse_time(name: str, value: str | None) -> datetime | None:
    """An ISO 8601 time with or without offset. Raises InputError naming the parameter."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise InputError(name, value, "is no time", "write 2025-11-10T08:00:00Z") from error


def parse_instant(name: str, value: str | None) -> datetime | None:
    """As ``parse_time``; without an offset it is refused."""
    moment = parse_time(name, value)
    if moment is not None and moment.tzinfo is None:
        raise InputError(name, value, "has no offset", "append Z or +01:00")
    return moment
