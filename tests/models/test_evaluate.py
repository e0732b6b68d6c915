import numpy as np
import pytest

from evitals.errors import InputError
from evitals.models.baseline import fit_static
from evitals.models.cycles import Cycle
from evitals.models.evaluate import errors, pooled, score
from tests.models import drives


def flat(profile: str, degc: float, n: int) -> Cycle:
    return Cycle(f"{degc}_{profile}", profile, degc, np.r_[0.0, np.ones(n - 1)], {})


def test_figures_are_pooled_over_samples() -> None:
    a, b = flat("A", 25.0, 100), flat("B", -20.0, 300)
    first, second = np.full(100, 0.01), np.full(300, -0.02)
    first[5], second[200] = 1.0, 0.5
    found = pooled([(a, first), (b, second)])
    squares = (99 * 1e-4 + 1.0, 299 * 4e-4 + 0.25)
    assert found.rmse == pytest.approx(np.sqrt(sum(squares) / 400))
    assert list(found.by_degc) == ["-20", "25"]
    assert found.by_degc["25"] == pytest.approx(np.sqrt(squares[0] / 100))
    assert found.by_profile["B"] == pytest.approx(np.sqrt(squares[1] / 300))
    # The first minute is left out of the largest error and reported apart.
    assert found.max_error == 0.5
    assert found.first_60_s == pytest.approx(np.sqrt((59 * 1e-4 + 1.0 + 60 * 4e-4) / 120))


def test_samples_without_an_answer_are_counted() -> None:
    cycle = flat("A", 25.0, 100)
    error = np.full(100, 0.1)
    error[10:30] = np.nan
    found = pooled([(cycle, error)])
    assert (found.samples, found.unknown) == (80, 20)
    assert found.rmse == pytest.approx(0.1)
    with pytest.raises(InputError, match="no answered sample"):
        pooled([(cycle, np.full(100, np.nan))])


def test_the_static_table_finds_the_ohmic_law() -> None:
    train = [drives.drive(p, degc) for p in "AB" for degc in (0.0, 25.0)]
    program = fit_static(train)
    found = score(program, [drives.drive("C", degc) for degc in (0.0, 25.0)])
    slow = drives.R1 * 4.0
    assert 0.001 < found.rmse < slow
    guess = np.std(np.concatenate([c.columns["voltage_v"] for c in train]))
    assert found.rmse < 0.5 * guess


def test_the_measured_voltage_is_never_seen() -> None:
    cycle = drives.drive("A")
    program = fit_static([cycle])
    before = errors(program, cycle) + cycle.columns["voltage_v"]
    cycle.columns["voltage_v"][:] = 0.0
    np.testing.assert_array_equal(errors(program, cycle), before)
