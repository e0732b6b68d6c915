"""BMW i3 60 Ah drives around Munich (IEEE DataPort, doi:10.21227/6jr9-5235).

The logger's CSV is latin-1 with `;`, 22 to 48 columns, some named twice. `SoC [%]` is the BMS's;
`displayed SoC [%]` is what the driver sees: its 0 to 100 spans less charge, so it is never `soc`.
Neither file names a date inside; beside the Parquet form, `trips.parquet` does, in local time.
"""

from evitals.telemetry.sources.sidecar import beside
from evitals.telemetry.sources.source import Column, Source

KMH = 1 / 3.6

SOURCES = [
    Source(
        name="bmw_i3",
        about="the BMW i3 logger's CSV",
        shapes=["csv"],
        separator=";",
        encoding="latin-1",
        level="pack",
        required=["Time [s]", "Velocity [km/h]", "Battery Voltage [V]", "Battery Current [A]"],
        columns={
            "Time [s]": Column("time_s"),
            "Velocity [km/h]": Column("speed_mps", KMH),
            "Elevation [m]": Column("elevation_m"),
            "Battery Voltage [V]": Column("voltage_v"),
            "Battery Current [A]": Column("current_a"),
            "Battery Temperature [°C]": Column("temperature_degc"),
            "max. Battery Temperature [°C]": Column("temperature_max_degc"),
            "SoC [%]": Column("soc", 0.01),
            "displayed SoC [%]": Column("soc_displayed", 0.01),
            "Heating Power CAN [kW]": Column("heater_power_w", 1000.0),
            "AirCon Power [kW]": Column("aircon_power_w", 1000.0),
            "Ambient Temperature [°C]": Column("ambient_degc"),
        },
    ),
    Source(
        name="bmw_i3_parquet",
        about="the BMW i3 trips as Parquet",
        shapes=["parquet"],
        level="pack",
        part="trip_id",
        required=["trip_id", "time_s", "speed_kmh", "voltage_V", "current_A", "soc_displayed"],
        columns={
            "time_s": Column("time_s"),
            "speed_kmh": Column("speed_mps", KMH),
            "elevation_m": Column("elevation_m"),
            "voltage_V": Column("voltage_v"),
            "current_A": Column("current_a"),
            "temperature_C": Column("temperature_degc"),
            "temperature_max_C": Column("temperature_max_degc"),
            "soc": Column("soc"),
            "soc_displayed": Column("soc_displayed"),
            "heater_power_kW": Column("heater_power_w", 1000.0),
            "aircon_power_kW": Column("aircon_power_w", 1000.0),
            "ambient_temperature_C": Column("ambient_degc"),
        },
        sidecar=beside("trips.parquet", "trip_id", zone="Europe/Berlin"),
    ),
]
