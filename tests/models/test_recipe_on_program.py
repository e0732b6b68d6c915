"""A recipe's features and scaling, and the Program that runs them on a BMS, are one arithmetic."""

import re
from pathlib import Path

import numpy as np
import pytest

from evitals.estimators.program import builders
from evitals.estimators.program.interpreter import Interpreter
from evitals.models.prepared import prepare_all
from evitals.models.recipe import Recipe, load_recipe
from evitals.models.scaling import fold
from evitals.models.split import choose
from evitals.models.steps import Column, Ema
from tests.models.conftest import made

ROOT = Path(__file__).parents[2]
TAUS_S = (1.0, 10.0, 100.0)


def test_filter_bank_with_folded_scaling_equals_the_training_side() -> None:
    bank = tuple(Ema(column="current_a", tau_s=tau, output=f"mean_{tau:g}s") for tau in TAUS_S)
    recipe = Recipe(
        inputs=("soc", "current_a", "temperature_degc", "bent", *(e.output for e in bank)),
        steps=(Column(formula="asinh(current_a / 0.5)", output="bent"), *bank),
    )
    tests = [made("first", rows=900), made("second", rows=900)]
    split = choose(tests, "file", training=["first"], test=["second"])
    ready = prepare_all(recipe, tests, split)
    draw = np.random.default_rng(2)
    first, bias = draw.normal(size=(8, 7)), draw.normal(size=8)
    last, shift = draw.normal(size=(1, 8)), draw.normal(size=1)
    scored = ready.test[0]
    hidden = np.maximum(ready.scaling.apply(scored.x) @ first.T + bias, 0.0)
    trained = (hidden @ last.T + shift)[:, 0]
    layers = [builders.Layer(*fold(first, bias, ready.scaling)), builders.Layer(last, shift)]
    program = builders.filter_fnn(layers, TAUS_S, 0.5)
    served = Interpreter(program).run(scored.columns)
    assert served == pytest.approx(trained, abs=2e-4)  # float32 weights
    assert np.std(trained) > 0.1


def test_the_documented_recipe_is_one() -> None:
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    recipe = load_recipe(text.encode())
    assert recipe.made == ("mean_30s", "bent")
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.*?) \|", page, re.MULTILINE)))
    assert set(named) == set(Recipe.__struct_fields__)
