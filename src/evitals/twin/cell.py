"""The twin's cell: open-circuit voltage from published electrode potentials.

Independent of the estimators' tables on purpose: a witness must not share the accused's books.
"""

import difflib
from functools import cache
from importlib import resources
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin import balance, circuit
from evitals.twin.balance import NEW, Balance

Floats = NDArray[np.float64]
Stoichiometry = Annotated[float, Meta(ge=0.0, le=1.0)]
GRID = circuit.GRID
"""Points of the OCV table over SoC 0..1 (0.25 % steps, linear between)."""


class CellSet(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stoichiometries of both electrodes, empty and full, and the voltages that bound SoC."""

    negative_empty: Stoichiometry
    negative_full: Stoichiometry
    positive_empty: Stoichiometry
    positive_full: Stoichiometry
    voltage_empty_v: float
    voltage_full_v: float
    source: str


@cache
def cell_sets() -> dict[str, CellSet]:
    """The OCV sets that ship with the twin, by name."""
    text = (resources.files("evitals.twin") / "data" / "cells.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, CellSet])


def negative_ocp_v(x: Floats) -> Floats:
    """Graphite-SiOx against lithium, V (Chen et al. 2020, equation 9)."""
    return np.asarray(
        1.9793 * np.exp(-39.3631 * x)
        + 0.2482
        - 0.0909 * np.tanh(29.8538 * (x - 0.1234))
        - 0.04478 * np.tanh(14.9159 * (x - 0.2769))
        - 0.0205 * np.tanh(30.4444 * (x - 0.6103))
    )


def positive_ocp_v(y: Floats) -> Floats:
    """NMC811 against lithium, V (Chen et al. 2020, equation 8)."""
    return np.asarray(
        4.4875
        - 0.8090 * y
        - 0.0428 * np.tanh(18.5138 * (y - 0.5542))
        - 17.7326 * np.tanh(15.7890 * (y - 0.3117))
        + 17.5842 * np.tanh(15.9308 * (y - 0.3120))
    )


@cache
def ocv_table(
    name: str, lli: float = 0.0, lam_negative: float = 0.0, lam_positive: float = 0.0
) -> Floats:
    """OCV in V of one cell at SoC = linspace(0, 1, GRID). Raises InputError for an unknown set.

    ``lli``, ``lam_negative``, ``lam_positive`` are lost lithium and material, fractions of new.
    SoC 0 and 1 are where the equilibrium voltage meets the set's two voltages.
    """
    table = balance.ocv_table(electrodes(name), (lli, lam_negative, lam_positive), GRID)
    table.setflags(write=False)
    return table


@cache
def electrodes(name: str) -> balance.Electrodes:
    """Potentials and window of a set. Raises InputError for an unknown one."""
    sets = cell_sets()
    if name not in sets:
        near = difflib.get_close_matches(name, sets, cutoff=0.3) or list(sets)
        raise InputError("cell", name, "is not a known OCV set", f"use one of {', '.join(near)}")
    s = sets[name]
    return balance.Electrodes(
        negative_ocp_v,
        positive_ocp_v,
        s.negative_empty,
        s.negative_full,
        s.positive_empty,
        s.positive_full,
        s.voltage_empty_v,
        s.voltage_full_v,
    )


def ocv(name: str, soc: Floats | float) -> Floats:
    """Open-circuit voltage of one cell, V, at SoC (clipped to 0..1)."""
    return np.asarray(np.interp(soc, np.linspace(0.0, 1.0, GRID), ocv_table(name)))


@cache
def tables(name: str, aged: Balance = NEW) -> Floats:
    """The kernel's ``tables`` (circuit.ROWS, circuit.COLUMNS) of a cell; read-only."""
    found = np.zeros((circuit.ROWS, circuit.COLUMNS))
    found[:GRID, 0] = ocv_table(name, *aged)
    soc = np.linspace(0.0, 1.0, circuit.SOC_POINTS)[:, None]
    degc = circuit.DEGC_LOWEST + circuit.DEGC_STEP * np.arange(circuit.DEGC_POINTS)
    inverse = 1.0 / (degc + 273.15) - 1.0 / 298.15
    elements = (
        0.030 * (1.0 + 0.45 * ((soc - 0.6) / 0.6) ** 2) * np.exp(1800.0 * inverse),
        0.5 / 1.6 * np.exp(4200.0 * inverse) + 0.0 * soc,
        0.012 * np.exp(3000.0 * inverse) + 0.0 * soc,
        0.022 * np.exp(3000.0 * inverse) + 0.0 * soc,
    )
    found[GRID:] = np.stack(elements, axis=-1).reshape(-1, circuit.COLUMNS)
    found.setflags(write=False)
    return found


def time_constants_s(name: str) -> tuple[float, float]:
    """Time constants of the two slow states, s."""
    ocv_table(name)
    return 12.0, 900.0
