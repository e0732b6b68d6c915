from pathlib import Path
from typing import Any

import pytest

from evitals.errors import InputError
from evitals.models.config import KINDS, Config, FilterBank, dump_config, load_config, parse_config
from tests.models import drives

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_written_configuration_gives_the_same_job(tmp_path: Path) -> None:
    for kind in KINDS:
        asked = parse_config(drives.tree(model={"kind": kind}, seed=4))
        path = tmp_path / "job.toml"
        path.write_text(dump_config(asked))
        assert load_config(path) == asked
        assert asked.kind == kind


def test_set_overrides_one_value(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(dump_config(drives.config()))
    asked = load_config(
        path, ["training.epochs=7", "model.hidden=[4, 4]", "data.folder=else", "seed = 9"]
    )
    assert (asked.training.epochs, asked.model, asked.data.folder, asked.seed) == (
        7, FilterBank((4, 4), tau_s=(5.0, 20.0)), "else", 9,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"training": {"epochz": 3}}, "training.epochz", "did you mean epochs?"),
        ({"sed": 3}, "sed", "did you mean seed?"),
        ({"model": {"kind": "ltsm"}}, "model.kind", "did you mean lstm?"),
        ({"model": {"kind": "lstm", "sizes": 3}}, "model.sizes", "did you mean size?"),
        ({"training": {"epochs": "three"}}, "training.epochs", "Expected `int`, got `str`"),
        ({"training": {"epochs": 0}}, "training.epochs", ">= 1"),
        ({"data": {"set": "lg"}}, "data.set", "Invalid enum value"),
        ({"split": {"validate": ["A"]}}, "split.validate", "is in train too"),
        ({"recipe": {"inputs": ["soc", "voltage_v"]}}, "inputs", "the model would see its answer"),
        ({"recipe": {"inputs": ["soc"]}}, "inputs", "lack current_a"),
        ({"split": {"validate": []}, "training": {"refit": True}}, "training.refit", "validation"),
        (
            {"model": {"kind": "gru"}, "data": {"step_s": "as recorded"}},
            "data.step_s",
            "recurrent network",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(drives.tree(**changes))
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["epochs", "=3", "seed.x.y=3"])
def test_an_override_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(dump_config(drives.config()))
    with pytest.raises(InputError) as caught:
        load_config(path, [text])
    assert caught.value.field == "--set"


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text("[data\n")
    with pytest.raises(InputError, match="is no TOML"):
        load_config(path)
    with pytest.raises(InputError, match="is no file"):
        load_config(tmp_path / "none.toml")


def test_every_model_setting_has_a_default() -> None:
    for kind in KINDS.values():
        assert kind() == kind()
    assert isinstance(drives.config(), Config)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("lg_*.toml")), ids=lambda p: p.name)
def test_examples_never_select_on_what_they_score(path: Path) -> None:
    asked = load_config(path)
    assert set(asked.split.test) == {"UDDS", "HWFET"}
    assert all(p.startswith("Mixed") for p in (*asked.split.train, *asked.split.validate))
