"""Panasonic NCR18650PF drive cycles (Kollmeyer 2018, doi:10.17632/wykht8y7tg.1): .mat, Parquet.

The chamber's temperature is unsigned in the source and useless below 0 degC: it is not read.
"""

from evitals.telemetry.sources.sidecar import beside
from evitals.telemetry.sources.source import Column, Source

SOURCES = [
    Source(
        name="panasonic_18650pf",
        about="the Panasonic 18650PF .mat (struct `meas`)",
        shapes=["mat"],
        level="cell",
        stamp=["TimeStamp"],
        required=["Time", "Voltage", "Current", "Ah", "Battery_Temp_degC"],
        columns={
            "Time": Column("time_s"),
            "Voltage": Column("voltage_v"),
            "Current": Column("current_a"),
            "Battery_Temp_degC": Column("temperature_degc"),
            "Ah": Column("charge_ah"),
            "Power": Column("power_w"),
        },
    ),
    Source(
        name="panasonic_18650pf_parquet",
        about="the Panasonic 18650PF tests as Parquet",
        shapes=["parquet"],
        level="cell",
        part="test_id",
        required=[
            "test_id",
            "time_s",
            "current_A",
            "voltage_V",
            "Ah_counter",
            "chamber_temperature_C",
            "soc",
        ],
        columns={
            "time_s": Column("time_s"),
            "current_A": Column("current_a"),
            "voltage_V": Column("voltage_v"),
            "temperature_C": Column("temperature_degc"),
            "Ah_counter": Column("charge_ah"),
            "soc": Column("soc"),
        },
        sidecar=beside("tests.parquet", "test_id"),
    ),
]
