"""Four in-service EV packs with cell faults (BatICM/unsupervised-battery-faults, MIT licence).

The CSV is discharge-positive. Single probes (`BMSProbeTempM`, `T_1`...) carry +40 degC, the
hottest and coldest do not. 66.5 V, 255 and 511 are what the BMS sends for "no value", and the
odometer reads 0 in places. `insulationResistance` is left out: its unit differs between the cars.
"""

import polars as pl

from evitals.telemetry.sources.source import Column, Source

KMH = 1 / 3.6
NO_CELL = (66.5, 65.535)
NO_PROBE = (255.0, 511.0, 215.0, 471.0)


def midpoint(table: pl.DataFrame) -> pl.DataFrame:
    """``temperature_degc`` as the midpoint of the hottest and coldest probe."""
    if "temperature_degc" in table.columns:
        return table
    low, high = "temperature_min_degc", "temperature_max_degc"
    return table.with_columns(((pl.col(low) + pl.col(high)) / 2).alias("temperature_degc"))


SOURCES = [
    Source(
        name="ev_pack",
        about="the four-pack telematics CSV",
        shapes=["csv"],
        level="pack",
        stamp=["tboxTime"],
        required=["tboxTime", "BMSBatteryVoltage", "BMSBatteryCurrent", "vehBMSPackSOC"],
        columns={
            "vehSpeed": Column("speed_mps", KMH),
            "BMSBatteryVoltage": Column("voltage_v"),
            "BMSBatteryCurrent": Column("current_a", -1.0),
            "vehBMSPackSOC": Column("soc", 0.01),
            "BMSProbeTempM": Column("temperature_degc", 1.0, -40.0, NO_PROBE[:2]),
            "BMSProbeTempMax": Column("temperature_max_degc", sentinels=NO_PROBE),
            "BMSProbeTempMin": Column("temperature_min_degc", sentinels=NO_PROBE),
            "BMSCellVoltageMax": Column("cell_voltage_max_v", sentinels=NO_CELL),
            "BMSCellVoltageMin": Column("cell_voltage_min_v", sentinels=NO_CELL),
            "vehOdo": Column("odometer_km", sentinels=(0.0,)),
        },
    ),
    Source(
        name="ev_pack_parquet",
        about="the four packs as Parquet",
        shapes=["parquet"],
        level="pack",
        vehicle="vehicle_id",
        stamp=["timestamp"],
        required=["vehicle_id", "timestamp", "speed_kmh", "voltage_V", "current_A", "odometer_km"],
        columns={
            "speed_kmh": Column("speed_mps", KMH),
            "voltage_V": Column("voltage_v"),
            "current_A": Column("current_a"),
            "soc": Column("soc"),
            "temperature_max_C": Column("temperature_max_degc", sentinels=NO_PROBE),
            "temperature_min_C": Column("temperature_min_degc", sentinels=NO_PROBE),
            "cell_voltage_max_V": Column("cell_voltage_max_v", sentinels=NO_CELL),
            "cell_voltage_min_V": Column("cell_voltage_min_v", sentinels=NO_CELL),
            "odometer_km": Column("odometer_km", sentinels=(0.0,)),
        },
        vehicle_names={f"EVfault-car{n}": f"ev-pack-car{n}" for n in range(1, 5)},
        derive=midpoint,
    ),
]
