"""Every signal once: name, unit, plausible range, meaning.

Readers, guards, the API's schema, columns and labels derive from ``SIGNALS``.
Current and power are positive while charging, everywhere (BDF and COVESA VSS agree).
``soc`` and ``soh`` are fractions. Names carry their unit as suffix and are valid alike in
Python, C, SQL and JSON.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured quantity. ``low`` and ``high`` bound what can be real, for cell or pack."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str
    label: str


def _table(*rows: tuple[str, str, float, float, str, str]) -> dict[str, Signal]:
    table = {row[0]: Signal(*row) for row in rows}
    assert len(table) == len(rows), "a signal is named twice"
    return table


SIGNALS = _table(
    ("time_s", "s", 0.0, 1e10, "time since the recording's first sample", "Time"),
    ("current_a", "A", -3000.0, 3000.0, "current, positive while charging", "Current"),
    ("voltage_v", "V", 0.0, 1500.0, "terminal voltage at the battery's level", "Voltage"),
    ("temperature_degc", "degC", -60.0, 100.0, "battery temperature", "Temperature"),
    ("temperature_max_degc", "degC", -60.0, 100.0, "hottest probe", "Hottest probe"),
    ("temperature_min_degc", "degC", -60.0, 100.0, "coldest probe", "Coldest probe"),
    ("soc", "1", 0.0, 1.05, "state of charge as the BMS or cycler reports it", "SoC"),
    ("soc_displayed", "1", 0.0, 1.05, "state of charge as shown to the driver", "Shown SoC"),
    ("power_w", "W", -2e6, 2e6, "electrical power, positive while charging", "Power"),
    ("charge_ah", "Ah", -1e6, 1e6, "net charge counted by the cycler", "Charge counter"),
    ("energy_kwh", "kWh", -1e6, 1e6, "net energy counted by the vehicle", "Energy counter"),
    ("speed_mps", "m/s", -20.0, 120.0, "vehicle speed", "Speed"),
    ("elevation_m", "m", -500.0, 9000.0, "elevation above sea level", "Elevation"),
    ("ambient_degc", "degC", -60.0, 80.0, "air temperature outside", "Ambient"),
    ("heater_power_w", "W", -1e3, 5e4, "cabin heater power", "Heater"),
    ("aircon_power_w", "W", -1e3, 5e4, "air conditioning power", "Air conditioning"),
    ("odometer_km", "km", 0.0, 1e7, "distance driven so far", "Odometer"),
    ("cell_voltage_max_v", "V", 0.0, 6.0, "highest cell voltage", "Highest cell"),
    ("cell_voltage_min_v", "V", 0.0, 6.0, "lowest cell voltage", "Lowest cell"),
    ("insulation_ohm", "ohm", 0.0, 1e12, "insulation resistance", "Insulation"),
)
"""All signals by name."""

RESULTS = _table(
    ("soh", "1", 0.0, 1.3, "capacity over the stated reference capacity", "SoH"),
    ("capacity_ah", "Ah", 0.0, 1e5, "charge between full and empty", "Capacity"),
    (
        "resistance_growth",
        "1",
        0.1,
        10.0,
        "resistance over that of the battery's first trips",
        "R growth",
    ),
    ("reference_sop_w", "W", 0.0, 1e7, "10 s discharge power at SoC 0.5, 25 degC", "Power"),
    ("risk_score", "1", 0.0, 2.0, "(1 - soh) + (1 - SoP / rated power), lower is better", "Risk"),
)
"""What evitals answers, by name: the same nouns in API, columns and labels."""
