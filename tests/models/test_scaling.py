"""Scaling: fitted, applied, undone, folded; constants and foreign shapes are refused."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.models.scaling import Kind, Scaling, fit, fold, fold_output

NAMES = ("soc", "current_a", "temperature_degc")


def parts(seed: int = 0) -> list[dict[str, np.ndarray]]:
    draw = np.random.default_rng(seed)
    return [
        {name: draw.normal(5.0 * k, 1.0 + k, size) for k, name in enumerate(NAMES)}
        for size in (50, 120)
    ]


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_fitted_over_all_parts(kind: Kind) -> None:
    data = parts()
    scaling = fit(data, NAMES, kind)
    matrix = np.vstack([np.column_stack([part[name] for name in NAMES]) for part in data])
    scaled = scaling.apply(matrix)
    if kind == "standard":
        assert scaled.mean(axis=0) == pytest.approx(0.0, abs=1e-12)
        assert scaled.std(axis=0) == pytest.approx(1.0)
    else:
        assert scaled.min(axis=0) == pytest.approx(0.0)
        assert scaled.max(axis=0) == pytest.approx(1.0)
    assert scaling.undo(scaled) == pytest.approx(matrix)
    assert msgspec.json.decode(msgspec.json.encode(scaling), type=Scaling) == scaling


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["standard", "minmax"]), st.integers(1, 5))
def test_folded_layer_gives_the_same_in_physical_units(seed: int, kind: Kind, out: int) -> None:
    draw = np.random.default_rng(seed)
    data = parts(seed)
    scaling = fit(data, NAMES, kind)
    weights, bias = draw.normal(size=(out, 3)), draw.normal(size=out)
    x = np.column_stack([data[0][name] for name in NAMES])
    folded, shifted = fold(weights, bias, scaling)
    assert x @ folded.T + shifted == pytest.approx(scaling.apply(x) @ weights.T + bias)
    last, answer = draw.normal(size=(3, out)), draw.normal(size=3)
    hidden = draw.normal(size=(7, out))
    wide, flat = fold_output(last, answer, scaling)
    assert hidden @ wide.T + flat == pytest.approx(scaling.undo(hidden @ last.T + answer))


def test_constant_column_is_refused() -> None:
    data = parts()
    for part in data:
        part["temperature_degc"] = np.full(len(part["soc"]), 25.0)
    with pytest.raises(InputError, match=r"temperature_degc: 25\.0 is constant") as caught:
        fit(data, NAMES, "minmax")
    assert caught.value.reason == "constant_column"


def test_refusals() -> None:
    with pytest.raises(InputError, match="no sample"):
        fit([], NAMES, "standard")
    with pytest.raises(InputError, match="not finite"):
        fit([{"soc": np.array([0.1, np.nan])}], ("soc",), "standard")
    scaling = fit(parts(), NAMES, "standard")
    for shapes in ((2, 4), (2,)), ((2, 3), (3,)), ((3,), (3,)):
        with pytest.raises(InputError, match="no weights and bias"):
            fold(np.zeros(shapes[0]), np.zeros(shapes[1]), scaling)
    with pytest.raises(InputError, match="no weights and bias"):
        fold_output(np.zeros((2, 5)), np.zeros(2), scaling)
    with pytest.raises(InputError, match="no scaling of soc"):
        Scaling(kind="standard", columns=("soc",), offset=(0.0,), scale=(0.0,))
    with pytest.raises(InputError, match="differ in number"):
        Scaling(kind="standard", columns=("soc",), offset=(0.0, 1.0), scale=(1.0,))
