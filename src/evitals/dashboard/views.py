"""What the page's indicators say, from the feed's columns or from any store."""

from collections import Counter
from typing import Any

from evitals.dashboard.feed import Feed
from evitals.dashboard.frame import STATUSES
from evitals.fleet.store import Store


def summary(source: Feed | Store) -> dict[str, Any]:
    """The fleet in four numbers: ``vehicles``, ``soh_mean``, ``attention``, ``by_status``.

    ``soh_mean`` is the plain mean of the vehicles whose SoH is known, None when none is.
    ``attention`` counts Monitor and Priority Maintenance. A ``Feed`` answers from memory in well
    under a millisecond per 10,000 vehicles; a ``Store`` is read through.
    """
    if isinstance(source, Feed):
        return source.summary()
    count: Counter[str] = Counter()
    known: list[float] = []
    for latest in source.all_latest():
        count[latest.prediction.status] += 1
        if latest.prediction.soh is not None:
            known.append(latest.prediction.soh)
    return {
        "vehicles": sum(count.values()),
        "soh_mean": round(sum(known) / len(known), 6) if known else None,
        "attention": count["Monitor"] + count["Priority Maintenance"],
        "by_status": {status: count[status] for status in STATUSES},
    }
