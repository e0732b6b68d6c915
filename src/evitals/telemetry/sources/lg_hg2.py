"""LG 18650HG2 drive cycles (Kollmeyer et al. 2020, doi:10.17632/cp3473x7xv.3): CSV, Parquet."""

from evitals.telemetry.sources.sidecar import beside
from evitals.telemetry.sources.source import Column, Source

SOURCES = [
    Source(
        name="lg_18650hg2",
        about="the parsed LG 18650HG2 cycler CSV",
        shapes=["csv"],
        level="cell",
        stamp=["Timestamp"],
        required=["Timestamp", "Time [s]", "Voltage [V]", "Current [A]", "Capacity [Ah]"],
        columns={
            "Time [s]": Column("time_s"),
            "Voltage [V]": Column("voltage_v"),
            "Current [A]": Column("current_a"),
            "Temperature [degC]": Column("temperature_degc"),
            "Capacity [Ah]": Column("charge_ah"),
        },
    ),
    Source(
        name="lg_18650hg2_parquet",
        about="the LG 18650HG2 tests as Parquet",
        shapes=["parquet"],
        level="cell",
        part="test_id",
        required=["test_id", "time_s", "current_A", "voltage_V", "Ah_counter", "soc"],
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
