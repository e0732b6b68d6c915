"""The trip CSV of the reference programme: power and current are positive while driving there.

Power, energy and current are turned to our sign; `energy_kwh` counts what was used. The doctor's
sign test still looks at the result, since a file may follow the other habit.
"""

from evitals.telemetry.sources.source import Column, Source

SOURCES = [
    Source(
        name="reference_trip",
        about="the reference's trip CSV",
        shapes=["csv", "parquet"],
        required=["time_s", "power_kw", "soc", "voltage_V", "current_A"],
        columns={
            "time_s": Column("time_s"),
            "speed_mps": Column("speed_mps"),
            "power_kw": Column("power_w", -1000.0),
            "soc": Column("soc"),
            "energy_kwh": Column("energy_kwh", -1.0),
            "voltage_V": Column("voltage_v"),
            "current_A": Column("current_a", -1.0),
            "temperature_C": Column("temperature_degc"),
        },
        level="pack",
    ),
]
