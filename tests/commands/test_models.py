"""``evitals models``: from a key and a bundle to a champion, and back."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evitals.cli import main
from evitals.models import bundle
from tests.models.bundles import CARD, about, made, programs

ID = "made-up"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVITALS_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("EVITALS_TRUSTED_KEYS", raising=False)


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "250"}).invoke(main, ["models", *map(str, arguments)])


def told(*arguments: object) -> dict:  # type: ignore[type-arg]
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.replace("│", " ").split())


def file(folder: Path, version: str = "1.0.0", seed: int = 0) -> Path:
    path = folder / f"{version}.evb"
    program = programs(seed)["filter_fnn"]
    drawn = find_spec("onnx") is not None
    path.write_bytes(
        bundle.pack(program, about(program, version), CARD)
        if drawn
        else made(version=version, seed=seed)
    )
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A bundle with its graph."""
    pytest.importorskip("onnxruntime", reason="pip install 'evitals[onnx]'")
    program, path = programs()["filter_fnn"], tmp_path / "whole.evb"
    path.write_bytes(bundle.pack(program, about(program), CARD))
    return path


def test_the_life_of_a_model(tmp_path: Path) -> None:
    for k in (1, 2):
        added = told("add", file(tmp_path, f"{k}.0.0", k))
        assert added["manifest"]["version"] == f"{k}.0.0"
    assert told("promote", ID, "1.0.0")["aliases"]["champion"]["version"] == "1.0.0"
    assert told("promote", ID, "2.0.0", "--challenger")["aliases"]["challenger"]
    assert "champion 2.0.0, before 1.0.0" in run("promote", ID).stdout
    rows = told("list")["models"]
    assert [(r["version"], r["aliases"]) for r in rows if r["id"] == ID] == [
        ("1.0.0", None), ("2.0.0", "champion"),
    ]  # fmt: skip
    assert "champion" in run("list").stdout
    assert told("rollback", ID)["aliases"]["champion"]["version"] == "1.0.0"
    assert "is champion" in refused("remove", ID, "1.0.0")
    assert told("remove", ID, "2.0.0") == {"removed": {"model": ID, "version": "2.0.0"}}
    assert [r["version"] for r in told("list")["models"] if r["id"] == ID] == ["1.0.0"]
    assert "to serve it" in run("add", file(tmp_path, "3.0.0")).stdout


def test_show_and_verify(whole: Path) -> None:
    run("add", whole)
    for asked in ([whole], [ID, "1.0.0"]):
        assert "# A made-up model" in run("show", *asked).stdout
        shown = told("show", *asked)
        assert shown["card"]["title"] == "A made-up model"
        checks = {c["engine"]: c for c in told("verify", *asked)["checks"]}
        assert checks["numpy"]["error"] == 0.0
        assert checks["onnx"]["error"] < 1e-5
        text = run("verify", *asked).stdout
        assert "made-up 1.0.0: whole" in text
        assert "onnx: golden vectors within" in text


def test_keys_and_signatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography", reason="pip install cryptography")
    path, key = file(tmp_path), tmp_path / "key"
    public = told("keygen", key)["public_key"]
    assert "exists already" in refused("keygen", key)
    monkeypatch.setenv("EVITALS_TRUSTED_KEYS", public)
    assert "a signature is required" in refused("add", path)
    out = tmp_path / "signed.evb"
    assert told("sign", path, "--key", key, "--out", out)["signer"] == public
    assert told("add", out)["signer"] == public
    assert told("sign", path, "--key", key)["file"] == str(path)
    assert path.read_bytes() == out.read_bytes()
    other = tmp_path / "other"
    assert "keep it secret" in run("keygen", other).stdout
    monkeypatch.setenv("EVITALS_TRUSTED_KEYS", f"{other}.pub")
    assert "is not a trusted key" in refused("verify", path)
    assert "is not a trusted key" in run("list").stdout, "a refused one says why"
    assert told("verify", path, "--trust", f"{key}.pub")["signer"] == public


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = file(tmp_path)
    broken = tmp_path / "broken.evb"
    broken.write_bytes(path.read_bytes()[:-40])
    foreign = tmp_path / "foreign.evb"
    foreign.write_bytes(b"%PDF-1.7")
    assert "is cut short or damaged" in refused("add", broken)
    assert "is no zip file" in refused("add", foreign)
    assert "is not in the registry" in refused("show", "nobody")
    run("add", path)
    assert "has no champion" in refused("show", ID)
    assert "has no former champion" in refused("rollback", ID)
    assert "EVITALS_TRUSTED_KEYS" in refused("list", "--trust", "nonsense")
    assert "cannot be read" in refused("verify", tmp_path / "absent.evb")
