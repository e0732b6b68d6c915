"""What is fitted of the BMW i3's twin, on the summer drives alone: road, cell, heat of the pack.

Each fit starts from what is published and may leave it only as far as its width says. The road
fit adds the recorded air conditioner's power; drives in which the driver heated are left out of
it. The cabin is not fitted: `cooler_agreement` says how well its published numbers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.signal import lfilter

from benchmarks.i3_drives import Drive
from benchmarks.i3_twin import asked_w, cabin_power_w
from evitals.twin.vehicle import TwinVehicle

Floats = NDArray[np.float64]
HEATED = ("TripA13", "TripA17", "TripA20", "TripA23", "TripA25")
"""Their power standing still is 1.2 to 3.2 kW without the air conditioner: the heater ran."""
ROAD = {
    "payload_kg": (75.0, 75.0),
    "rolling_resistance": (0.008, 0.001),
    "drag_area_m2": (0.29 * 2.38, 0.05),
    "transmission_efficiency": (0.94, 0.02),
    "auxiliary_power_w": (380.0, 30.0),
}
"""Published or usual value and the width of its prior. Standing without climate the car takes
0.34 to 0.45 kW; payload is a second person and equipment."""
BLOCK_S, BLOCK_W, ENERGY_SHARE = 60, 4000.0, 0.05
SERIES = 96
CAPACITY_AH = 61.7
KNOTS = np.round(np.arange(0.30, 0.901, 0.05), 2)
"""SoC of the OCV's knots; the summer drives lie between 0.34 and 0.89."""
THERMAL_V_PER_K = 2.0 * 8.314462618 / 96485.33212
ACTIVATION_K = (1800.0, 4200.0, 3000.0)
"""Of ohmic resistance, exchange current and slow states (15, 35, 25 kJ/mol), not fitted."""
TAUS_S = (30.0, 400.0)
CELL = {"r0": (0.030, 0.7), "exchange": (1.6, 0.7), "r1": (0.012, 0.7), "r2": (0.022, 0.7)}
"""Prior and relative width: ohm Ah and C-rate, of the twin's round EV cell."""
HEAT = {"heat_j_per_k": (210_000.0, 0.3), "passive_w_per_k": (7.0, 0.7)}
"""233 kg at 900 J/kg/K, 0.03 W/K/kg; relative widths."""
COOLED_DEGC = 30.0
"""From here the pack's cooler may have run: samples from there on do not count."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Values by name and the standard error of each."""

    value: dict[str, float]
    error: dict[str, float]


def blocks(values: Floats) -> Floats:
    """Means over whole minutes (n // 60,)."""
    count = values.size // BLOCK_S
    means: Floats = values[: count * BLOCK_S].reshape(count, BLOCK_S).mean(axis=1)
    return means


def with_road(car: TwinVehicle, value: dict[str, float]) -> TwinVehicle:
    """The car with fitted road load; payload stays outside."""
    return structs.replace(
        car,
        rolling_resistance=value["rolling_resistance"],
        drag_coefficient=value["drag_area_m2"] / car.frontal_area_m2,
        transmission_efficiency=value["transmission_efficiency"],
        auxiliary_power_w=value["auxiliary_power_w"],
    )


def fit_road(drives: Sequence[Drive], car: TwinVehicle) -> Fitted:
    """Payload, rolling, drag, transmission and auxiliaries from power by the minute and by trip."""
    used = [drive for drive in drives if drive.name not in HEATED]
    middle = np.array([value for value, _ in ROAD.values()])
    width = np.array([sigma for _, sigma in ROAD.values()])

    def errors(x: Floats) -> Floats:
        value = dict(zip(ROAD, x.tolist(), strict=True))
        tried, parts = with_road(car, value), []
        for drive in used:
            always = tried.auxiliary_power_w + drive.cooler_w
            off = asked_w(drive, tried, value["payload_kg"], always) - drive.power_w
            share = float(np.sum(off) / np.sum(drive.power_w))
            parts += [blocks(off) / BLOCK_W, np.array([share / ENERGY_SHARE])]
        return np.concatenate([*parts, (x - middle) / width])

    return _solved(errors, middle, width, list(ROAD))


def _solved(errors: object, middle: Floats, width: Floats, names: list[str]) -> Fitted:
    found = least_squares(errors, middle, loss="soft_l1", x_scale=width)
    spread = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    return Fitted(
        dict(zip(names, found.x.tolist(), strict=True)),
        dict(zip(names, spread.tolist(), strict=True)),
    )


def cooler_agreement(drives: Sequence[Drive], car: TwinVehicle) -> dict[str, float]:
    """Mean air-conditioning power of twin and recording over the drives, W, and correlation."""
    twin = np.array([cabin_power_w(drive, car).mean() for drive in drives])
    seen = np.array([drive.cooler_w.mean() for drive in drives])
    return {
        "twin_mean_w": float(twin.mean()),
        "recorded_mean_w": float(seen.mean()),
        "correlation": float(np.corrcoef(twin, seen)[0, 1]),
    }


def counted_soc(drive: Drive) -> Floats:
    """SoC (n,) from the first recorded one and charge moved."""
    moved = 0.5 * (drive.current_a[1:] + drive.current_a[:-1]) * drive.step_s[1:]
    return drive.soc_start + np.concatenate([[0.0], np.cumsum(moved)]) / 3600.0 / CAPACITY_AH


def overpotential_v(drive: Drive, value: dict[str, float], reference_ah: float) -> Floats:
    """Overpotential of one cell, V (n,), with the recorded current and temperature."""
    rate, kelvin = drive.current_a / reference_ah, drive.degc + 273.15
    inverse = 1.0 / kelvin - 1.0 / 298.15
    ohmic, exchange, slow = (np.exp(a * inverse) for a in ACTIVATION_K)
    over: Floats = rate * ohmic * value["r0"] + THERMAL_V_PER_K * kelvin * np.arcsinh(
        0.5 * rate * exchange / value["exchange"]
    )
    for name, tau in zip(("r1", "r2"), TAUS_S, strict=True):
        keep = float(np.exp(-1.0 / tau))
        over = over + value[name] * lfilter([1.0 - keep], [1.0, -keep], rate * slow)
    return over


def hats(soc: Floats) -> Floats:
    """Weights of the OCV's knots (n, knots), linear between."""
    place = np.clip((soc - KNOTS[0]) / (KNOTS[1] - KNOTS[0]), 0.0, KNOTS.size - 1.000001)
    at = place.astype(int)
    weights = np.zeros((soc.size, KNOTS.size))
    weights[np.arange(soc.size), at] = 1.0 - (place - at)
    weights[np.arange(soc.size), at + 1] = place - at
    return weights


def fit_cell(drives: Sequence[Drive], reference_ah: float) -> tuple[Fitted, Floats, float]:
    """Circuit of one cell, OCV at `KNOTS` in V, and the rms error with recorded current, V.

    For every circuit tried the OCV is the linear least-squares one.
    """
    weights = np.concatenate([hats(counted_soc(drive)) for drive in drives])
    normal = np.linalg.inv(weights.T @ weights + 1e-6 * np.eye(KNOTS.size)) @ weights.T
    names = list(CELL)
    middle = np.log([value for value, _ in CELL.values()])
    width = np.array([sigma for _, sigma in CELL.values()])

    def rest(x: Floats) -> tuple[Floats, Floats]:
        value = dict(zip(names, np.exp(x).tolist(), strict=True))
        seen = np.concatenate(
            [d.voltage_v / SERIES - overpotential_v(d, value, reference_ah) for d in drives]
        )
        knots: Floats = normal @ seen
        return knots, seen - weights @ knots

    found = _solved(
        lambda x: np.concatenate([rest(x)[1][::5] / 0.005, 5.0 * (x - middle) / width]),
        middle,
        width,
        names,
    )
    x = np.array([found.value[name] for name in names])
    knots, left = rest(x)
    value = {name: float(np.exp(found.value[name])) for name in names}
    error = {name: value[name] * found.error[name] for name in names}
    return Fitted(value, error), knots, float(np.sqrt(np.mean(left**2)))


def fit_heat(drives: Sequence[Drive], knots: Floats) -> Fitted:
    """Heat capacity and conductance of the pack; each drive's start is free within its rounding."""
    names = list(HEAT)
    middle = np.concatenate([np.log([v for v, _ in HEAT.values()]), np.zeros(len(drives))])
    width = np.concatenate([[s for _, s in HEAT.values()], np.full(len(drives), 0.3)])
    heats = [SERIES * np.abs(_over(drive, knots) * drive.current_a) for drive in drives]

    def errors(x: Floats) -> Floats:
        heat, passive = np.exp(x[:2])
        parts = [5.0 * (x[:2] - middle[:2]) / width[:2], x[2:] / width[2:]]
        for drive, watts, offset in zip(drives, heats, x[2:], strict=True):
            known = drive.degc < COOLED_DEGC
            degc = _warmed(drive, watts, drive.degc_start + offset, heat, passive)
            parts.append(((degc - drive.degc) * known)[::30] / 0.7)
        return np.concatenate(parts)

    found = _solved(errors, middle, width, [*names, *(drive.name for drive in drives)])
    value = {name: float(np.exp(found.value[name])) for name in names}
    return Fitted(value, {name: value[name] * found.error[name] for name in names})


def _over(drive: Drive, knots: Floats) -> Floats:
    over: Floats = drive.voltage_v / SERIES - hats(counted_soc(drive)) @ knots
    return over


def _warmed(drive: Drive, watts: Floats, start: float, heat: float, passive: float) -> Floats:
    """Temperature (n,) of one lump: a first-order filter towards what each second settles at."""
    keep = float(np.exp(-passive / heat))
    settled = drive.ambient_degc + watts / passive
    warmed, _ = lfilter([1.0 - keep], [1.0, -keep], settled, zi=[keep * start])
    degc: Floats = warmed
    return degc
