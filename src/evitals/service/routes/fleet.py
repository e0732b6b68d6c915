"""``/v1/fleet``: the newest answer of every vehicle; ``/v1/export.csv``: the same as a sheet."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import numpy as np
from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from litestar.response import Stream

from evitals.dashboard.frame import SCALE, UNKNOWN
from evitals.dashboard.lasso import AXES, LONGEST
from evitals.dashboard.lasso import parse as lasso_of
from evitals.dashboard.views import summary
from evitals.fleet.records import FleetQuery, LatestRecord, SortKey, Status
from evitals.service.routes import documented as doc
from evitals.service.routes.context import Call, Service, service_of
from evitals.service.routes.queries import Limit, Offset, Search
from evitals.service.schemas import (
    FleetReply,
    FleetRow,
    FleetSummary,
    maybe_time,
    time_of,
)

PAGE = 1000
PAGE_PICKED = 20_000
"""A page of picked vehicles costs a pass over the fleet: there are few of them."""
COLUMNS = FleetRow.__struct_fields__

Sort = Annotated[SortKey, QueryParameter(description="Column; unknown values come last")]
Descending = Annotated[bool, QueryParameter(description="Highest first")]
Statuses = Annotated[
    list[Status] | None,
    QueryParameter(description="Only these", examples=[Example(value=["Monitor"])]),
]
OPEN_SOH = 3.0
SohFrom = Annotated[
    float,
    QueryParameter(ge=0.0, le=OPEN_SOH, description="SoH at least this (a fraction); 0: any"),
]
SohTo = Annotated[
    float,
    QueryParameter(ge=0.0, le=OPEN_SOH, description="SoH below this (a fraction); 3: any"),
]
LassoText = Annotated[
    str,
    QueryParameter(
        max_length=LONGEST,
        description="Only vehicles inside a polygon over two of "
        f"{', '.join(AXES)}: `X,Y;x1,y1;x2,y2;...`",
        examples=[Example(value="soh,sop_ratio;0.5,0;1,0;1,1;0.5,1")],
    ),
]
Group = Annotated[
    str | None,
    QueryParameter(max_length=64, description="Only this group; empty: only those without one"),
]


def filtered(
    request: Call,
    sort: Sort = "risk_score",
    descending: Descending = True,
    search: Search = "",
    status: Statuses = None,
    group: Group = None,
    soh_from: SohFrom = 0.0,
    soh_to: SohTo = OPEN_SOH,
    lasso: LassoText = "",
) -> FleetQuery:
    """The filter and order that the scorecard and its CSV share, from a request's parameters."""
    return FleetQuery(
        sort=sort,
        descending=descending,
        search=search,
        status=tuple(status or ()),
        group=group,
        soh_from=soh_from or None,
        soh_to=None if soh_to == OPEN_SOH else soh_to,
        only=inside(service_of(request), lasso),
    )


FILTERED = {"chosen": Provide(filtered, sync_to_thread=True)}
Chosen = NamedDependency[FleetQuery]


@get(
    "/v1/fleet",
    tags=["fleet"],
    summary="Newest answers, sorted, filtered, in pages",
    sync_to_thread=True,
    dependencies=FILTERED,
    responses={200: doc.replies(FleetReply, "A page and the whole fleet's summary")}
    | doc.problems(422, 503),
)
def fleet(request: Call, chosen: Chosen, offset: Offset = 0, limit: Limit = 50) -> FleetReply:
    """Worst first unless asked otherwise. `total` counts the matching rows."""
    service = service_of(request)
    page = service.store.fleet(msgspec.structs.replace(chosen, offset=offset, limit=limit))
    return FleetReply(
        summary=fleet_summary(service), total=page.total, rows=[row_of(r) for r in page.rows]
    )


@get(
    "/v1/export.csv",
    tags=["fleet"],
    summary="The filtered fleet as CSV",
    media_type="text/csv",
    sync_to_thread=False,
    dependencies=FILTERED,
    responses={200: doc.replies(str, "One line a vehicle; times are ISO 8601 UTC", "text/csv")}
    | doc.problems(422, 503),
)
def export_csv(request: Call, chosen: Chosen) -> Stream:
    """Every row that `/v1/fleet` would page through, with the same filter and order.

    Text that a spreadsheet would run as a formula is preceded by an apostrophe.
    """
    query = msgspec.structs.replace(chosen, limit=PAGE if chosen.only is None else PAGE_PICKED)
    return Stream(
        csv_lines(service_of(request), query),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="fleet.csv"'},
    )


def inside(service: Service, polygon: str) -> frozenset[str] | None:
    """The vehicles inside a lasso over the live feed's columns; None where none is drawn.

    Raises InputError for what is no lasso.
    """
    if not polygon:
        return None
    return service.feed.chosen(lasso_of(polygon))


def csv_lines(service: Service, query: FleetQuery) -> Iterator[str]:
    """The filtered fleet as CSV text, a page of the store at a time."""
    yield _csv([COLUMNS])
    offset = 0
    while True:
        page = service.store.fleet(msgspec.structs.replace(query, offset=offset))
        if not page.rows:
            return
        yield _csv(_cells(row_of(row)) for row in page.rows)
        offset += len(page.rows)


def _cells(row: FleetRow) -> list[Any]:
    values = msgspec.to_builtins(row)
    values["reasons"] = " ".join(values["reasons"])
    return [harmless(values[name]) for name in COLUMNS]


def harmless(value: Any) -> Any:
    """Text that spreadsheets would run as a formula, made text again (OWASP CSV injection)."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return "'" + value
    return value


def _csv(rows: Any) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def fleet_summary(service: Service) -> FleetSummary:
    """The whole fleet in numbers, from the live feed's columns (no read of the store)."""
    soh = service.feed.rows()["soh"]
    known = soh[soh != UNKNOWN] / SCALE
    return FleetSummary(
        **summary(service.feed), soh_median=float(np.median(known)) if known.size else None
    )


def row_of(latest: LatestRecord) -> FleetRow:
    """A newest answer as one flat row."""
    answer = latest.prediction
    return FleetRow(
        vehicle_id=answer.vehicle_id,
        battery_id=answer.battery_id,
        group=latest.group,
        status=answer.status,
        soh=answer.soh,
        soh_low=answer.soh_low,
        soh_high=answer.soh_high,
        risk_score=answer.risk_score,
        reference_sop_w=answer.reference_sop_w,
        rated_power_w=latest.rated_power_w,
        reference_capacity_ah=latest.reference_capacity_ah,
        capacity_bms_ah=answer.capacity_bms_ah,
        capacity_ocv_ah=answer.capacity_ocv_ah,
        resistance_growth=answer.resistance_growth,
        evidence_count=answer.evidence_count,
        soc=latest.soc,
        temperature_degc=latest.temperature_degc,
        event_time=maybe_time(answer.event_s),
        scored_time=time_of(answer.scored_s),
        reasons=answer.reasons,
    )
