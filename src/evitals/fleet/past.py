"""The fleet on a day that has gone, from the daily rollup."""

from sqlalchemy import Connection, and_, case, func, or_, select

from evitals.fleet.codec import scale
from evitals.fleet.records import PastFleet
from evitals.fleet.tables import batteries, daily, vehicles


def past(connection: Connection, day: int, soh_below: float, risk_from: float) -> PastFleet:
    """The newest rollup of each vehicle's present battery up to ``day``.

    One search of the rollup's key a vehicle: a fleet's whole history is never read.
    """
    earlier = daily.alias()
    newest = (
        select(func.max(earlier.c.day))
        .where(earlier.c.battery == batteries.c.id, earlier.c.day <= day, earlier.c.trips > 0)
        .scalar_subquery()
    )
    beyond = or_(
        daily.c.soh_last < scale("soh_below", soh_below),
        daily.c.risk_last >= scale("risk_from", risk_from),
    )
    query = (
        select(
            func.count(),
            func.avg(daily.c.soh_last),
            func.coalesce(func.sum(case((beyond, 1), else_=0)), 0),
        )
        .select_from(batteries)
        .join(
            vehicles,
            and_(
                vehicles.c.id == batteries.c.vehicle,
                vehicles.c.battery_id == batteries.c.battery_id,
            ),
        )
        .join(daily, and_(daily.c.battery == batteries.c.id, daily.c.day == newest))
    )
    count, mean, attention = connection.execute(query).one()
    return PastFleet(
        vehicles=int(count),
        soh_mean=None if mean is None else float(mean) / 10_000,
        attention=int(attention),
    )
