"""Recipes as data: read, refused with place and nearest name, known by their digest."""

from pathlib import Path

import pytest

from evitals.errors import InputError
from evitals.models.recipe import Recipe, dump_recipe, load_recipe
from evitals.models.steps import Column, Drift, Ema, Noise, Offset

TOML = b"""
inputs = ["soc", "current_a", "temperature_degc", "bent", "mean_30s"]
on_gap = "split"
seed = 7

[resample]
step_s = 1
method = "mean"

[[disturb]]
type = "drift"
column = "current_a"
sigma = 0.05
counts_ah = 2.78

[[steps]]
type = "ema"
column = "current_a"
tau_s = 30
output = "mean_30s"

[[steps]]
type = "formula"
formula = "asinh(mean_30s / 0.5)"
output = "bent"
"""


def refused(changed: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        load_recipe(changed)
    return caught.value


def test_read_from_toml_and_json(tmp_path: Path) -> None:
    recipe = load_recipe(TOML)
    assert recipe.steps == (
        Ema(column="current_a", tau_s=30.0, output="mean_30s"),
        Column(formula="asinh(mean_30s / 0.5)", output="bent"),
    )
    assert recipe.disturb == (Drift(column="current_a", sigma=0.05, counts_ah=2.78),)
    assert recipe.measured == ("voltage_v", "current_a", "soc", "temperature_degc")
    assert recipe.least_s == 60.0
    file = tmp_path / "recipe.json"
    file.write_bytes(dump_recipe(recipe))
    assert load_recipe(file) == recipe


def test_digest_is_the_contents() -> None:
    recipe = load_recipe(TOML)
    shuffled = TOML.replace(b"seed = 7\n", b"").replace(b"inputs =", b"seed=7\ninputs  =")
    assert load_recipe(shuffled).digest == recipe.digest
    assert load_recipe(TOML.replace(b"tau_s = 30", b"tau_s = 30.0")).digest == recipe.digest
    assert load_recipe(TOML.replace(b"tau_s = 30", b"tau_s = 31")).digest != recipe.digest
    assert Recipe(inputs=("soc",), max_gap_s=5).digest == Recipe(inputs=("soc",)).digest


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        (b"tau_s", b"tua_s", "steps[0]", "did you mean tau_s"),
        (b"on_gap", b"ongap", "recipe", "did you mean on_gap"),
        (b"tau_s = 30", b'tau_s = "30"', "steps[0].tau_s", "Expected `float`"),
        (b"tau_s = 30", b"tau_s = 0", "steps[0].tau_s", ">= 0.001"),
        (b'type = "ema"', b'type = "emma"', "steps[0].type", "Invalid value 'emma'"),
        (b"asinh(", b"asinn(", "steps[1]", "did you mean asinh"),
        (b"asinh(mean_30s", b"asinh(later", "recipe", ""),
        (b'output = "bent"', b'output = "mean_30s"', "recipe", "is taken"),
        (b'output = "bent"', b'output = "2nd"', "steps[1].output", "regex"),
        (b'"bent"', b'"voltage_v"', "recipe", "would see its answer"),
        (b"asinh(mean_30s", b"asinh(voltage_v", "recipe", "would see its answer"),
        (b'column = "current_a"\nsigma', b'column = "voltage_v"\nsigma', "recipe", "the truth"),
        (b'column = "current_a"\nsigma', b'column = "bent"\nsigma', "recipe", "is not measured"),
        (b'column = "current_a"\nsigma', b'column = "soc"\nsigma', "recipe", "is not counted"),
        (b'"soc", "current_a"', b'"soc", "soc"', "recipe", "repeat a column"),
        (b'"mean_30s"]', b'"time_s"]', "recipe", "name time_s"),
        (b"seed = 7", b"seed = 7\nversion = 2", "version", "Invalid enum value 2"),
        (b"seed = 7", b"seed = ", "recipe", "Invalid"),
        (b"seed = 7", b"\xff", "recipe", ""),
    ],
)
def test_refused_with_place(old: bytes, new: bytes, field: str, words: str) -> None:
    changed = TOML.replace(old, new, 1)
    assert changed != TOML
    if words == "" and new == b"asinh(later":  # a column nobody makes is asked of the test
        assert "later" in load_recipe(changed).measured
        return
    error = refused(changed)
    assert field in error.field
    assert words in str(error)


def test_steps_read_only_what_is_made_before() -> None:
    first, second = load_recipe(TOML).steps
    with pytest.raises(InputError, match="reads mean_30s before it is made"):
        Recipe(inputs=("soc",), steps=(second, first))


def test_the_target_reaches_no_input_by_any_way() -> None:
    steps = (
        Ema(column="voltage_v", tau_s=10.0, output="slow"),
        Column(formula="slow - soc", output="gap"),
    )
    with pytest.raises(InputError, match="made of the target"):
        Recipe(inputs=("soc", "gap"), steps=steps)
    # Voltage may be an input where SoC is the target; a counter's error would then move truth.
    gap = Column(formula="slow - current_a", output="gap")
    recipe = Recipe(inputs=("voltage_v", "gap"), target="soc", steps=(steps[0], gap))
    assert recipe.measured == ("soc", "voltage_v", "current_a")
    with pytest.raises(InputError, match="the truth"):
        Recipe(
            inputs=("voltage_v",),
            target="soc",
            disturb=(Offset(column="current_a", half_width=0.05, counts_ah=3.0),),
        )


def test_bounds_hold_for_recipes_made_in_python() -> None:
    with pytest.raises(InputError, match="is no recipe"):
        _ = Recipe(inputs=("soc",), disturb=(Noise(column="soc", sigma=-1.0),)).digest


def test_too_large() -> None:
    with pytest.raises(InputError, match="too large"):
        load_recipe(b"#" * 300_000)
