"""The twin's cells as data: open-circuit voltage from electrode potentials, circuit tables.

Each lies in ``data/cells/`` with its source, the range it was fitted in and its known gaps.
Independent of the estimators' tables on purpose: a witness must not share the accused's books.
"""

import difflib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from evitals.errors import InputError
from evitals.twin import balance, circuit
from evitals.twin.balance import NEW, Balance

Floats = NDArray[np.float64]
Numbers = tuple[float, ...]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Bounds = tuple[float, float]
GRID = circuit.GRID
"""Points of the OCV table over SoC 0..1 (0.25 % steps, linear between)."""
MEMORY = 256
"""Aged tables kept at hand, 84 kB each."""


class Electrode(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Potential against lithium, V, at equal steps of stoichiometry ``low`` to ``high``, smooth
    between; stoichiometries where the new cell is empty and full."""

    empty: Share
    full: Share
    low: Share = 0.0
    high: Share = 1.0
    potential_v: Numbers


class Knots(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A measured or fitted OCV: volts at rising SoC, straight between and beyond."""

    soc: Numbers
    volts: Numbers


class Elements(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Circuit of one cell, per Ah: row by row over SoC, within a row over temperature.

    Between temperatures each follows Arrhenius; beyond, the nearest two continue.
    """

    soc: Numbers
    temperature_degc: Numbers
    r0_ohm_ah: tuple[Numbers, ...]
    exchange_c_rate: tuple[Numbers, ...]
    r1_ohm_ah: tuple[Numbers, ...]
    r2_ohm_ah: tuple[Numbers, ...]


class Arrhenius(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Circuit of one cell, per Ah, the same at every SoC: values at 25 degC and activation
    energies over the gas constant, K, of R0, exchange current, and R1 and R2."""

    r0_ohm_ah: Positive
    exchange_c_rate: Positive
    r1_ohm_ah: Positive
    r2_ohm_ah: Positive
    activation_k: tuple[float, float, float]


class Fitted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the cell's tables were fitted; beyond, they are extrapolated."""

    soc: Bounds
    temperature_degc: Bounds
    c_rate: Bounds


class Cell(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One cell. SoC 0 and 1 are where its equilibrium voltage meets the two voltages.

    ``like`` names the cell that stands in for what is not given: electrodes, circuit. ``ocv_per_k``
    is the slope of the OCV with temperature, V/K, at equal steps of SoC. ``command`` made the file.
    """

    chemistry: str
    source: str
    command: str = ""
    fitted: Fitted
    gaps: tuple[str, ...]
    voltage_empty_v: Positive
    voltage_full_v: Positive
    like: str = ""
    negative: Electrode | None = None
    positive: Electrode | None = None
    ocv: Knots | None = None
    ocv_per_k: Numbers = (0.0, 0.0)
    elements: Elements | None = None
    arrhenius: Arrhenius | None = None
    time_constants_s: tuple[Positive, Positive] | None = None


@cache
def known() -> tuple[str, ...]:
    """Names of the cells that ship with the twin."""
    return tuple(sorted(_files()))


@cache
def cell(name: str) -> Cell:
    """A cell by name. Raises InputError with the nearest names."""
    files = _files()
    if name not in files:
        near = difflib.get_close_matches(name, files, cutoff=0.3) or sorted(files)
        raise InputError("cell", name, "is not a known cell", f"use one of {', '.join(near)}")
    return parse_cell((_folder() / files[name]).read_bytes(), files[name])


def parse_cell(text: bytes, name: str = "cell.toml") -> Cell:
    """A cell from JSON or TOML, as its name ends. Raises InputError naming the field."""
    decode = msgspec.json.decode if name.endswith(".json") else msgspec.toml.decode
    try:
        return decode(text, type=Cell)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise InputError(
            path.rstrip("`") or "cell",
            name,
            f"does not describe a cell: {problem}",
            "see docs/twin-physics.md for the fields",
        ) from error


@cache
def electrodes(name: str) -> balance.Electrodes:
    """Potentials and window of a cell's electrodes, or of those that stand in for them."""
    found = cell(name)
    if found.negative is None or found.positive is None:
        return electrodes(found.like)
    return balance.Electrodes(
        _potential(found.negative),
        _potential(found.positive),
        found.negative.empty,
        found.negative.full,
        found.positive.empty,
        found.positive.full,
        found.voltage_empty_v,
        found.voltage_full_v,
    )


@lru_cache(MEMORY)
def ocv_table(
    name: str, lli: float = 0.0, lam_negative: float = 0.0, lam_positive: float = 0.0
) -> Floats:
    """OCV in V of one cell at 25 degC and SoC = linspace(0, 1, GRID); read-only.

    ``lli``, ``lam_negative``, ``lam_positive`` are lost lithium and material, fractions of new;
    an OCV given by knots is moved as the electrodes that stand in for its own. Raises InputError
    for an unknown cell and for losses that leave none.
    """
    knots, aged = cell(name).ocv, (lli, lam_negative, lam_positive)
    if knots is None:
        table = balance.ocv_table(electrodes(name), aged, GRID)
    else:
        table = _through(knots, np.linspace(0.0, 1.0, GRID))
        if aged != NEW:
            stand_in = electrodes(name)
            table = table + balance.ocv_table(stand_in, aged, GRID)
            table = table - balance.ocv_table(stand_in, NEW, GRID)
    table.setflags(write=False)
    return table


def ocv(name: str, soc: Floats | float) -> Floats:
    """Open-circuit voltage of one new cell at 25 degC, V, at SoC (clipped to 0..1)."""
    return np.asarray(np.interp(soc, np.linspace(0.0, 1.0, GRID), ocv_table(name)))


@lru_cache(MEMORY)
def tables(name: str, aged: Balance = NEW) -> Floats:
    """The kernel's ``tables`` (circuit.ROWS, circuit.COLUMNS) of a cell; read-only."""
    found = np.zeros((circuit.ROWS, circuit.COLUMNS))
    found[:GRID, 0] = ocv_table(name, *aged)
    slopes = np.array(cell(name).ocv_per_k)
    found[:GRID, 1] = np.interp(
        np.linspace(0.0, 1.0, GRID), np.linspace(0.0, 1.0, slopes.size), slopes
    )
    found[GRID:] = _elements(name)
    found.setflags(write=False)
    return found


def time_constants_s(name: str) -> tuple[float, float]:
    """Time constants of the two slow states, s."""
    found = cell(name)
    return found.time_constants_s or time_constants_s(found.like)


def _folder() -> resources.abc.Traversable:
    return resources.files("evitals.twin") / "data" / "cells"


@cache
def _files() -> dict[str, str]:
    names = (entry.name for entry in _folder().iterdir())
    return {n.rpartition(".")[0]: n for n in names if n.endswith((".json", ".toml"))}


def _potential(electrode: Electrode) -> Callable[[Floats], Floats]:
    low, high, volts = electrode.low, electrode.high, np.array(electrode.potential_v)
    curve = CubicSpline(np.linspace(low, high, volts.size), volts)
    return lambda x: np.asarray(curve(np.clip(x, low, high)))


def _through(knots: Knots, soc: Floats) -> Floats:
    at, volts = np.array(knots.soc), np.array(knots.volts)
    table = np.interp(soc, at, volts)
    first, last = ((volts[b] - volts[a]) / (at[b] - at[a]) for a, b in ((0, 1), (-2, -1)))
    table += first * np.minimum(soc - at[0], 0.0) + last * np.maximum(soc - at[-1], 0.0)
    return np.asarray(table)


@cache
def _elements(name: str) -> Floats:
    """The circuit's rows of ``tables`` (SOC_POINTS * DEGC_POINTS, COLUMNS)."""
    found = cell(name)
    degc = circuit.DEGC_LOWEST + circuit.DEGC_STEP * np.arange(float(circuit.DEGC_POINTS))
    soc = np.linspace(0.0, 1.0, circuit.SOC_POINTS)
    if found.elements is not None:
        r0, exchange, r1, r2 = _spread(found.elements, soc, degc)
    elif found.arrhenius is not None:
        r0, exchange, r1, r2 = _everywhere(found.arrhenius, soc, degc)
    else:
        return _elements(found.like)
    return np.stack([r0, 0.5 / exchange, r1, r2], axis=-1).reshape(-1, circuit.COLUMNS)


def _inverse(degc: Floats) -> Floats:
    return np.asarray(1.0 / (degc + circuit.ZERO_K) - 1.0 / (25.0 + circuit.ZERO_K))


def _everywhere(a: Arrhenius, soc: Floats, degc: Floats) -> list[Floats]:
    energies = (a.activation_k[0], -a.activation_k[1], a.activation_k[2], a.activation_k[2])
    values = (a.r0_ohm_ah, a.exchange_c_rate, a.r1_ohm_ah, a.r2_ohm_ah)
    rows = np.ones((soc.size, 1))
    return [v * rows * np.exp(k * _inverse(degc)) for v, k in zip(values, energies, strict=True)]


def _spread(e: Elements, soc: Floats, degc: Floats) -> list[Floats]:
    """Tables on the kernel's grid: logarithms straight over SoC and over 1 / T."""
    places, order = _inverse(np.array(e.temperature_degc))[::-1], slice(None, None, -1)
    wanted, found = _inverse(degc), []
    for table in (e.r0_ohm_ah, e.exchange_c_rate, e.r1_ohm_ah, e.r2_ohm_ah):
        logs = np.log(np.array(table))[:, order]
        by_soc = np.stack([np.interp(soc, e.soc, column) for column in logs.T])
        at = np.clip(np.searchsorted(places, wanted) - 1, 0, places.size - 2)
        share = ((wanted - places[at]) / (places[at + 1] - places[at]))[:, None]
        found.append(np.exp(by_soc[at] * (1.0 - share) + by_soc[at + 1] * share).T)
    return found
