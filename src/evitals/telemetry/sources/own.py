"""evitals' own shape: columns named like `SIGNALS`, in their units and sign.

`time_s` or `timestamp` (ISO 8601, or seconds since 1970), and optionally `vehicle_id`,
`battery_id` and `trip_id`, whose values tell recordings apart.
"""

from evitals.signals import SIGNALS
from evitals.telemetry.sources.source import Column, Source

SOURCES = [
    Source(
        name="evitals",
        about="evitals' own shape",
        shapes=["csv", "parquet", "ndjson", "arrow"],
        required=[("time_s", "timestamp"), "current_a", "voltage_v"],
        columns={name: Column(name) for name in SIGNALS},
        part="trip_id",
        vehicle="vehicle_id",
        battery="battery_id",
        stamp=["timestamp"],
    ),
]
