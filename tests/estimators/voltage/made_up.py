"""A made-up cell: its circuit, and drives that it answers exactly."""

import numpy as np
from numpy.typing import NDArray

from evitals.estimators.program import machine
from evitals.estimators.voltage.circuit import Circuit

Array = NDArray[np.float64]

CAPACITY_AH = 3.0
OCV_SOC = np.linspace(0.0, 1.0, 101)
SOC = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
DEGC = np.array([-10.0, 10.0, 30.0])


def circuit(
    kinetic_a: float | None = 0.5, tau_s: tuple[float, ...] = (2.0, 10.0, 60.0, 300.0)
) -> Circuit:
    """A cell of 3 Ah whose resistances rise in the cold and where it is empty."""
    colder = np.array([3.0, 1.6, 1.0])
    emptier = np.array([2.0, 1.3, 1.0, 1.0, 1.1])
    shape = emptier[:, None] * colder
    parts = [np.zeros((5, 3)) + 0.002 * colder, 0.02 * shape]
    if kinetic_a is not None:
        parts.append(0.01 * shape)
    parts += [(0.004 + 0.001 * k) * shape for k in range(len(tau_s))]
    return Circuit(
        ocv_soc=OCV_SOC,
        ocv_v=3.0 + 1.1 * OCV_SOC - 0.25 * np.exp(-OCV_SOC / 0.05),
        soc=SOC,
        temperature_degc=DEGC,
        tau_s=np.array(tau_s),
        kinetic_a=kinetic_a,
        tables=np.stack(parts, axis=-1),
    )


def drive(
    rows: int = 3000,
    seed: int = 0,
    degc: float = 20.0,
    start: float = 0.95,
    cell: Circuit | None = None,
) -> dict[str, Array]:
    """A drive on a 1 s grid: steps of current around -2 A, SoC counted, voltage the circuit's."""
    rng = np.random.default_rng(seed)
    current = np.repeat(rng.normal(-2.0, 3.0, rows // 4 + 1), 4)[:rows]
    current[:5] = 0.0
    soc = start + np.cumsum(current) / 3600.0 / CAPACITY_AH
    columns = {
        "time_s": np.arange(float(rows)),
        "current_a": current,
        "soc": soc,
        "temperature_degc": degc + 2.0 * np.linspace(0.0, 1.0, rows),
    }
    voltage = machine((cell or circuit()).program(), "numpy").run(columns)
    return columns | {"voltage_v": voltage + rng.normal(0.0, 1e-3, rows)}
