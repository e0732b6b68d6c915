"""Battery Data Format (Battery Data Alliance): preferred labels and machine-readable names.

Labels as in the ontology https://w3id.org/battery-data-alliance/ontology/battery-data-format.
Current is positive while charging there too. The level is not stated in the format.
"""

from evitals.telemetry.sources.source import Column, Shape, Source

SHAPES: list[Shape] = ["csv", "parquet", "ndjson", "arrow"]

COLUMNS = {
    "Test Time / s": Column("time_s"),
    "test_time_second": Column("time_s"),
    "Voltage / V": Column("voltage_v"),
    "voltage_volt": Column("voltage_v"),
    "Current / A": Column("current_a"),
    "current_ampere": Column("current_a"),
    "Surface Temperature / degC": Column("temperature_degc"),
    "surface_temperature_celsius": Column("temperature_degc"),
    "Temperature T1 / degC": Column("temperature_degc"),
    "temperature_t1_celsius": Column("temperature_degc"),
    "Ambient Temperature / degC": Column("ambient_degc"),
    "ambient_temperature_celsius": Column("ambient_degc"),
    "Net Capacity / Ah": Column("charge_ah"),
    "net_capacity_ah": Column("charge_ah"),
    "Power / W": Column("power_w"),
    "power_watt": Column("power_w"),
}

SOURCES = [
    Source(
        name="bdf",
        about="the Battery Data Format",
        shapes=SHAPES,
        stamp=["Unix Time / s", "unix_time_second"],
        required=[
            ("Test Time / s", "test_time_second"),
            ("Voltage / V", "voltage_volt"),
            ("Current / A", "current_ampere"),
        ],
        columns=COLUMNS,
    ),
]
