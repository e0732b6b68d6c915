"""``evitals twin whatif``: tables, JSON, pictures, and refusals that help."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from evitals.cli import main

SHORT = ["twin", "whatif", "--years", "2", "--samples", "20"]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*SHORT, *arguments])
    return done.exit_code, done.output


def test_a_projection_as_a_table() -> None:
    code, text = run("--set", "charge_to=0.8", "--set", "style=city")
    assert code == 0
    assert "2028-01-01" in text
    assert "renault-zoe-ze50 in berlin" in text
    assert "SoH 70%: not reached" in text
    assert "note: ageing:" in text


def test_scenarios_beside_each_other_as_json() -> None:
    code, text = run("--against", "place=phoenix,km_per_day=80", "--against", "chemistry=LFP",
                     "--json")  # fmt: skip
    assert code == 0
    found = json.loads(text)
    assert [d["changed"] for d in found["differences"]] == [
        {"place": "phoenix", "km_per_day": "80.0"},
        {"chemistry": "LFP"},
    ]
    assert found["others"][0]["scenario"]["vehicle"] == "renault-zoe-ze50"
    assert found["differences"][0]["soh"] < 0.0
    alone = json.loads(run("--json")[1])
    assert alone["years"] == found["base"]["years"]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'evitals[plots]'")
    path = tmp_path / f"whatif.{ending}"
    code, text = run("--against", "place=oslo", "--plot", str(path))
    assert code == 0
    assert f"whatif.{ending}" in text
    begins = {"png": b"\x89PNG", "svg": b"<?xml"}[ending]
    assert path.read_bytes().startswith(begins)
    assert path.stat().st_size > 10_000


def test_without_matplotlib_the_pip_line_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    code, text = run("--plot", str(tmp_path / "x.svg"))
    assert code == 1
    assert "pip install 'evitals[plots]'" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--place", "berln"], "berlin"),
        (["--set", "charge_two=0.8"], "charge_to"),
        (["--set", "charge_to"], "FIELD=VALUE"),
        (["--set", "charge_to=full"], "charge_to"),
        (["--against", "km_per_day=-3"], "km_per_day"),
        (["--set", "replace_on=2026-13-01"], "replace_on"),
        (["--plot", "picture.bmp"], ".svg"),
    ],
)
def test_refusals_name_the_field_and_the_remedy(arguments: list[str], words: str) -> None:
    code, text = run(*arguments)
    assert code == 1
    assert words in " ".join(text.replace("│", " ").split())
