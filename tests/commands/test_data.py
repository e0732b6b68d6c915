"""``evitals data``: from a publisher to tests on the shelf."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from evitals.cli import main
from evitals.telemetry.datasets import catalogue as declared
from evitals.telemetry.datasets.dataset import PublishedFile
from tests.telemetry.datasets.conftest import Publisher
from tests.telemetry.datasets.conftest import publisher as publisher
from tests.telemetry.datasets.test_importing import DIGATRON


def run(*words: str, home: Path) -> str:
    done = CliRunner(env={"COLUMNS": "250"}).invoke(main, ["data", *words, "--home", str(home)])
    assert done.exit_code == 0, done.output
    return done.output


def test_fetch_import_show_list(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.body, publisher.breaks = DIGATRON.encode(), [1000]
    here = replace(
        declared()["lg_18650hg2"],
        listing=None,
        files=(PublishedFile("551_UDDS.csv", publisher.address()),),
    )
    monkeypatch.setattr(sys.modules[declared.__module__], "_DATASETS", (here,))
    assert "551_UDDS.csv" in run("fetch", "lg_18650hg2", "--dry-run", home=tmp_path)
    said = json.loads(run("fetch", "lg_18650hg2", "--json", home=tmp_path))
    assert said["files"][0]["sha256"] == hashlib.sha256(publisher.body).hexdigest()
    assert said["files"][0]["trust"] == "first use"
    again = run("fetch", "lg_18650hg2", "--file", "*UDDS*", home=tmp_path)
    assert "there already" in again
    done = json.loads(run("import", "lg_18650hg2", "--json", home=tmp_path))
    assert (done["added"], done["skipped"]) == (1, [])
    assert "0 tests added, 1 there already" in run("import", "lg_18650hg2", home=tmp_path)
    shown = run("show", "lg_18650hg2", home=tmp_path)
    assert "doi:10.17632/cp3473x7xv.3" in shown
    assert "first use" in shown
    assert "UDDS" in run("show", "lg_18650hg2", "--tests", home=tmp_path)
    tests = json.loads(run("show", "lg_18650hg2", "--json", home=tmp_path))["tests"]
    assert tests[0]["profile"] == "UDDS"
    rows = json.loads(run("list", "--json", home=tmp_path))
    assert [(row["id"], row["downloaded"], row["tests"]) for row in rows] == [("lg_18650hg2", 1, 1)]


def test_list_names_the_licences(tmp_path: Path) -> None:
    said = run("list", home=tmp_path)
    for dataset in declared().values():
        assert dataset.id in said
    assert "understood to be CC BY 4.0" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "lg"], "did you mean"),
        (["import", "lg_18650hg2"], "is no folder"),
        (["fetch", "nasa_pcoe", "--file", "nothing"], "names no file"),
    ],
)
def test_refusals(tmp_path: Path, words: list[str], expected: str) -> None:
    done = CliRunner().invoke(main, ["data", *words, "--home", str(tmp_path)])
    assert done.exit_code == 1
    assert expected in done.output
    assert isinstance(done.exception, SystemExit)
