"""How lost lithium and lost electrode material shift a cell's open-circuit voltage.

Both electrodes keep their potentials; what ages is how much of each there is and how much lithium
goes to and fro between them. With the capacity of the new cell as unit: negative and positive
electrode hold ``Qn`` and ``Qp``, lithium ``n = x Qn + y Qp`` at every SoC. An aged cell has
``Qn (1 - lam_negative)``, ``Qp (1 - lam_positive)`` and ``n (1 - lli)``; it is empty and full
where ``Up(y) - Un(x)`` meets the cell's two voltages (electrode state of health: Mohtat et al.
2019, J. Power Sources 427, 101; Weng et al. 2023, J. Electrochem. Soc. 170, 090523). Solved from
the potentials themselves: PyBaMM's solver of the same equations is the frozen oracle
(``oracles/balance.py``), no table stands between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from evitals.errors import InputError

Floats = NDArray[np.float64]
Balance = tuple[float, float, float]
"""Lost lithium inventory, negative and positive active material, as fractions of new."""
NEW: Balance = (0.0, 0.0, 0.0)
MOST = 0.6
"""Losses beyond this are no cell any more."""
LEAST_CAPACITY = 0.5
EDGE = 1e-9


@dataclass(frozen=True, eq=False)
class Electrodes:
    """A new cell's electrodes: potentials against lithium over stoichiometry, V, (n,) -> (n,);
    stoichiometries where the cell was found empty and full, and the voltages that bound SoC."""

    negative_v: Callable[[Floats], Floats]
    positive_v: Callable[[Floats], Floats]
    negative_empty: float
    negative_full: float
    positive_empty: float
    positive_full: float
    voltage_empty_v: float
    voltage_full_v: float


@dataclass(frozen=True, slots=True)
class Window:
    """An aged cell: capacity over that of the new one, and the stoichiometries at its ends."""

    capacity: float
    negative_empty: float
    negative_full: float
    positive_empty: float
    positive_full: float


@lru_cache(maxsize=1024)
def window(cell: Electrodes, balance: Balance = NEW) -> Window:
    """Where an aged cell begins and ends. Raises InputError for losses no cell survives."""
    ends = _ends(cell, balance)
    new = _ends(cell, NEW) if balance != NEW else ends
    return Window((ends[1] - ends[0]) / (new[1] - new[0]), *_stoichiometries(cell, balance, ends))


def ocv_table(cell: Electrodes, balance: Balance = NEW, points: int = 401) -> Floats:
    """OCV in V at SoC = linspace(0, 1, points) of the aged cell."""
    found = window(cell, balance)
    x = np.linspace(found.negative_empty, found.negative_full, points)
    y = np.linspace(found.positive_empty, found.positive_full, points)
    volts: Floats = np.asarray(cell.positive_v(y) - cell.negative_v(x))
    return volts


@lru_cache(maxsize=8192)
def for_capacity(
    cell: Electrodes, capacity: float, lam_negative: float = 0.0, lam_positive: float = 0.0
) -> Balance:
    """The loss of lithium that leaves ``capacity`` (over new) beside the given losses of material.

    Where lost material alone leaves less, no lithium is lost. Raises InputError.
    """
    if not LEAST_CAPACITY <= capacity <= 1.1:
        raise InputError(
            "capacity", capacity, "is no capacity over new", f"give {LEAST_CAPACITY} to 1"
        )

    def surplus(lli: float) -> float:
        return window(cell, (lli, lam_negative, lam_positive)).capacity - capacity

    if surplus(0.0) <= 0.0:
        return (0.0, lam_negative, lam_positive)
    lli = float(brentq(surplus, 0.0, MOST, xtol=1e-7))
    return (lli, lam_negative, lam_positive)


def _amounts(cell: Electrodes, balance: Balance) -> tuple[float, float, float]:
    """Capacity of both electrodes and lithium, in units of the window's charge."""
    lli, lam_negative, lam_positive = balance
    negative = 1.0 / (cell.negative_full - cell.negative_empty)
    positive = 1.0 / (cell.positive_empty - cell.positive_full)
    lithium = cell.negative_full * negative + cell.positive_full * positive
    return negative * (1 - lam_negative), positive * (1 - lam_positive), lithium * (1 - lli)


def _ends(cell: Electrodes, balance: Balance) -> tuple[float, float]:
    """Lithium in the negative electrode where the cell is empty and full."""
    for value in balance:
        if not 0.0 <= value <= MOST:
            raise InputError(
                "balance", balance, "is no cell any more", f"give losses from 0 to {MOST}"
            )
    negative, positive, lithium = _amounts(cell, balance)
    least = max(0.0, lithium - positive) + EDGE
    most = min(negative, lithium) - EDGE
    if most <= least:
        raise InputError("balance", balance, "leaves no charge", "lose less")

    def volts(held: float) -> float:
        x, y = held / negative, (lithium - held) / positive
        return float(cell.positive_v(np.array(y)) - cell.negative_v(np.array(x)))

    low, high = volts(least), volts(most)
    bounds = cell.voltage_empty_v, cell.voltage_full_v
    empty, full = (
        least if low >= bound else most if high <= bound else
        float(brentq(lambda held, bound=bound: volts(held) - bound, least, most, xtol=1e-10))
        for bound in bounds
    )  # fmt: skip
    return empty, full


def _stoichiometries(
    cell: Electrodes, balance: Balance, ends: tuple[float, float]
) -> tuple[float, float, float, float]:
    negative, positive, lithium = _amounts(cell, balance)
    empty, full = ends
    return (
        empty / negative,
        full / negative,
        (lithium - empty) / positive,
        (lithium - full) / positive,
    )
