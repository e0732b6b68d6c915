"""A trip CSV to features with pandas: what evitals computes, as far as columns can say it.

Left out because they need a walk over the samples: rests, resistance from current steps, SoC
against charge. So pandas does less here than evitals does in the time it is compared with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

C_RATE_EDGES = (-2.0, -1.0, -0.5, -0.05, 0.05, 0.5, 1.0)
TEMPERATURE_EDGES_DEGC = (-10.0, 0.0, 15.0, 30.0, 45.0)


def features(path: Path, capacity_ah: float) -> dict[str, float]:
    """Features of a trip by evitals' names; current and power positive while charging."""
    table = pd.read_csv(path)
    time = table["time_s"]
    step = time.diff()
    current, voltage = -table["current_A"], table["voltage_V"]
    power = current * voltage
    found = {
        "duration_s": float(time.iloc[-1] - time.iloc[0]),
        "step_s": float(step.mean()),
        **_moved(current, step, "charge", "ah"),
        **_moved(power, step, "energy", "wh"),
        **_soc(table["soc"]),
        **_moments(voltage, step, "voltage", "v"),
        **_moments(current, step, "current", "a"),
        **_moments(table["temperature_C"], step, "temperature", "degc"),
        **_histogram(current / capacity_ah, step, C_RATE_EDGES, "c_rate"),
        **_histogram(table["temperature_C"], step, TEMPERATURE_EDGES_DEGC, "temperature"),
        "distance_km": float((_middle(table["speed_mps"]) * step).sum() / 1000.0),
        "missing_current": float(current.isna().mean()),
        "missing_voltage": float(voltage.isna().mean()),
        "missing_temperature": float(table["temperature_C"].isna().mean()),
        "missing_soc": float(table["soc"].isna().mean()),
        "last_voltage_v": float(voltage.iloc[-1]),
        "last_current_a": float(current.iloc[-1]),
        "last_temperature_degc": float(table["temperature_C"].iloc[-1]),
    }
    moved = found["charge_in_ah"] + found["charge_out_ah"]
    found["net_charge_ah"] = found["charge_in_ah"] - found["charge_out_ah"]
    found["equivalent_full_cycles"] = moved / 2.0 / capacity_ah
    return found


def _middle(values: pd.Series) -> pd.Series:
    return (values + values.shift()) / 2.0


def _moved(flow: pd.Series, step: pd.Series, what: str, unit: str) -> dict[str, float]:
    """What went in and out: trapezoids, split where the flow crosses zero."""
    before = flow.shift()
    middle = (flow + before) / 2.0
    width = (flow - before).abs()
    crossing = flow * before < 0.0
    high, low = np.maximum(flow, before), np.minimum(flow, before)
    into = middle.clip(lower=0.0).mask(crossing, high**2 / (2.0 * width))
    out = (-middle).clip(lower=0.0).mask(crossing, low**2 / (2.0 * width))
    return {
        f"{what}_in_{unit}": float((into * step).sum() / 3600.0),
        f"{what}_out_{unit}": float((out * step).sum() / 3600.0),
    }


def _soc(soc: pd.Series) -> dict[str, float]:
    return {
        "soc_first": float(soc.iloc[0]),
        "soc_last": float(soc.iloc[-1]),
        "soc_min": float(soc.min()),
        "soc_max": float(soc.max()),
        "soc_span": float(soc.max() - soc.min()),
        "soc_step_max": float(soc.diff().abs().max()),
    }


def _moments(values: pd.Series, step: pd.Series, what: str, unit: str) -> dict[str, float]:
    """Time-weighted mean and standard deviation, extremes."""
    weight = step.sum()
    mean = (_middle(values) * step).sum() / weight
    centred = (values - mean) ** 2
    return {
        f"{what}_mean_{unit}": float(mean),
        f"{what}_std_{unit}": float(((_middle(centred) * step).sum() / weight) ** 0.5),
        f"{what}_min_{unit}": float(values.min()),
        f"{what}_max_{unit}": float(values.max()),
    }


def _histogram(
    values: pd.Series, step: pd.Series, edges: Sequence[float], what: str
) -> dict[str, float]:
    """Shares of time by bin."""
    bins = pd.cut(_middle(values), [-np.inf, *edges, np.inf], right=False, labels=False)
    shares = step.groupby(bins).sum() / step.sum()
    return {f"{what}_{k}": float(shares.get(k, 0.0)) for k in range(len(edges) + 1)}
