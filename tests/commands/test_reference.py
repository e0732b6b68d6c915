"""The command line as its user meets it."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from evitals.cli import main


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in main.commands:
        assert name in result.output


def test_settings_show_environment_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVITALS_PORT", "9123")
    result = CliRunner().invoke(main, ["settings", "--json"])
    rows = {row["name"]: row for row in json.loads(result.output)["settings"]}
    assert rows["EVITALS_PORT"]["value"] == 9123
    assert rows["EVITALS_PORT"]["default"] == 8420


def test_a_bad_setting_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVITALS_PORT", "http")
    result = CliRunner().invoke(main, ["settings"])
    assert result.exit_code == 1
    assert "EVITALS_PORT='http'" in result.output
    assert "Traceback" not in result.output


def test_signals_carry_units() -> None:
    result = CliRunner().invoke(main, ["signals", "--json"])
    rows = {row["name"]: row for row in json.loads(result.output)["signals"]}
    assert rows["current_a"]["unit"] == "A"
    assert "positive while charging" in rows["current_a"]["meaning"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, evitals.cli; "
        "print([m for m in ('numpy', 'polars', 'numba', 'litestar') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_table_is_folded_at_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folded = CliRunner().invoke(main, ["settings"]).stdout.splitlines()
    monkeypatch.delenv("COLUMNS")
    whole = CliRunner().invoke(main, ["settings"]).stdout.splitlines()
    assert max(map(len, folded)) <= 80 < max(map(len, whole))
    assert len(whole) < len(folded)
