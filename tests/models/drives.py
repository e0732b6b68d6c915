"""Made-up drives of a cell with one RC pair, whose law is known."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from evitals.models.config import Config, parse_config
from evitals.models.cycles import Cycle

TAU_S, R0, R1 = 20.0, 0.03, 0.02


def drive(profile: str, degc: float = 25.0, samples: int = 600, seed: int = 1) -> Cycle:
    """Random steps of current from full; v = OCV(soc) + R0(T) i + v1."""
    random = np.random.default_rng([seed, *profile.encode()])
    current = np.repeat(random.uniform(-6.0, 2.0, samples // 8 + 1), 8)[:samples]
    dt_s = np.ones(samples)
    dt_s[0] = 0.0
    soc = 1.0 + np.cumsum(current * dt_s) / 3600.0 / 1.0
    soc = np.clip(soc, 0.05, 1.0)
    warm = degc + np.linspace(0.0, 3.0, samples)
    v1, slow = 0.0, np.empty(samples)
    for k in range(samples):
        v1 += (1.0 - np.exp(-dt_s[k] / TAU_S)) * (R1 * current[k] - v1)
        slow[k] = v1
    cold = np.exp((25.0 - warm) / 30.0)
    voltage = 3.2 + 0.9 * soc + R0 * cold * current + slow
    columns = {
        "soc": soc, "current_a": current, "temperature_degc": warm, "voltage_v": voltage,
    }  # fmt: skip
    return Cycle(f"{degc:g}degC_{profile}", profile, degc, dt_s, columns)


def write(folder: Path, *cycles: Cycle) -> Path:
    """The cycles as CSV files, a test each."""
    folder.mkdir(parents=True, exist_ok=True)
    for cycle in cycles:
        pl.DataFrame(cycle.timed()).write_csv(folder / f"{cycle.test_id}.csv")
    return folder


def tree(folder: Path | str = "unread", **changes: Any) -> dict[str, Any]:
    """A small configuration; a change is merged into the section of its name."""
    made: dict[str, Any] = {
        "data": {"set": "files", "folder": str(folder)},
        "recipe": {"inputs": ["soc", "current_a", "temperature_degc"]},
        "split": {"train": ["A", "B"], "validate": ["C"], "test": ["D"]},
        "model": {"kind": "filterbank", "hidden": [8], "tau_s": [5.0, 20.0]},
        "training": {"epochs": 3, "batch": 64},
    }
    for name, change in changes.items():
        if isinstance(change, dict) and "kind" not in change:
            made[name] = {**made.get(name, {}), **change}
        else:
            made[name] = change
    return made


def config(folder: Path | str = "unread", **changes: Any) -> Config:
    """``tree`` as a configuration."""
    return parse_config(tree(folder, **changes))


def four(folder: Path) -> Path:
    """Profiles A, B (training), C (validation), D (test) at two temperatures, as files."""
    return write(folder, *(drive(p, degc) for p in "ABCD" for degc in (0.0, 25.0)))
