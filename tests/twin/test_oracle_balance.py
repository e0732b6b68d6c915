"""Aged electrodes against PyBaMM's solver and potentials, frozen (oracles/balance.py)."""

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from evitals.errors import MissingExtra
from evitals.twin import cell
from evitals.twin.balance import window
from evitals.twin.oracles import balance as oracle

FROZEN = Path(__file__).parent / "frozen" / "balance.json"


@cache
def frozen() -> dict[str, list[oracle.Aged]]:
    return msgspec.json.decode(FROZEN.read_bytes(), type=dict[str, list[oracle.Aged]])


@pytest.mark.parametrize("name", oracle.CELLS)
@pytest.mark.parametrize("place", range(len(oracle.BALANCES)))
def test_pybamm_ages_the_cell_alike(name: str, place: int) -> None:
    theirs = frozen()[name][place]
    assert theirs.lost == oracle.BALANCES[place]
    ours = window(cell.electrodes(name), theirs.lost)
    near = 1e-3 if theirs.stoichiometries[1] > 0.999 else 1e-5  # PyBaMM adds a pole at 1
    assert ours.capacity == pytest.approx(theirs.capacity, abs=near)
    ends = (ours.negative_empty, ours.negative_full, ours.positive_empty, ours.positive_full)
    assert ends == pytest.approx(theirs.stoichiometries, abs=near)
    table = cell.ocv_table(name, *theirs.lost)
    seen = slice(None) if near < 1e-4 else slice(-1)
    table = table[:: (cell.GRID - 1) // 20]
    np.testing.assert_allclose(table[seen], theirs.ocv_v[seen], atol=10.0 * near)


@pytest.mark.oracle
def test_pybamm_still_says_so() -> None:
    for name, agedness in oracle.recompute().items():
        for now, then in zip(agedness, frozen()[name], strict=True):
            assert now.capacity == pytest.approx(then.capacity, abs=1e-5)
            np.testing.assert_allclose(now.ocv_v, then.ocv_v, atol=1e-4)


def test_without_pybamm_the_pip_line_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pybamm", None)
    with pytest.raises(MissingExtra, match=r"pip install 'evitals\[physics\]'"):
        oracle.theirs("nmc811-lgm50", (0.0, 0.0, 0.0))
