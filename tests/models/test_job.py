import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models import drives

torch = pytest.importorskip("torch")

from evitals.errors import InputError  # noqa: E402
from evitals.estimators.program import Program, machine  # noqa: E402
from evitals.models import bundle, job  # noqa: E402
from evitals.models.config import load_config  # noqa: E402
from evitals.models.export import read_export  # noqa: E402
from evitals.models.layout import MODEL, STATIC  # noqa: E402
from evitals.models.networks import to_program  # noqa: E402
from evitals.models.programs import read_program  # noqa: E402
from evitals.models.progress import read_progress  # noqa: E402
from evitals.models.scoring import Asked, compare_jobs, evaluate_job  # noqa: E402
from evitals.models.training import Epoch  # noqa: E402

FILES = {
    "config.toml", "data.json", "environment.json", "training_progress.csv", "hyperparams.json",
    "metrics.json", "best_model.pth", "best_model_export.pt", "program", "scalers",
    "BEST_MODEL_LOADING_INSTRUCTIONS.md",
}  # fmt: skip


def never() -> bool:
    return False


def done(tmp_path: Path, **changes: Any) -> job.Result:
    folder = job.start(drives.config(drives.four(tmp_path / "data"), **changes), tmp_path / "jobs")
    return job.run(folder, lambda _: None, never)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> job.Result:
    training = {"epochs": 40, "seeds": [1, 2], "refit": True, "learning_rate": 0.01}
    return done(tmp_path_factory.mktemp("job"), training=training)


def test_a_job_leaves_every_file(finished: job.Result) -> None:
    assert re.fullmatch(r"job_\d{8}-\d{6}", finished.folder.name)
    assert {path.name for path in finished.folder.iterdir()} == FILES
    hyper = json.loads((finished.folder / "hyperparams.json").read_text())
    assert [(r["phase"], r["seed"]) for r in hyper["runs"]][:2] == [("train", 1), ("train", 2)]
    assert hyper["chosen"]["phase"] == "refit"
    best = min(hyper["runs"][:2], key=lambda r: r["best_rmse"])
    assert (hyper["chosen"]["seed"], hyper["chosen"]["best_epoch"]) == (
        best["seed"],
        best["best_epoch"],
    )
    record = json.loads((finished.folder / "data.json").read_text())
    assert len(record["split"]["training"]) == 4
    assert all(len(m["digest"]) == 64 for m in record["split"]["validation"])
    environment = json.loads((finished.folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    rows = read_progress(finished.folder / "training_progress.csv")
    assert len(rows) == 80 + finished.chosen.best_epoch
    assert float(rows[0]["rmse_0degc"]) > 0.0


def test_the_model_beats_the_table_and_its_figures_are_of_the_program(finished: job.Result) -> None:
    scores = finished.scores
    assert scores[MODEL].rmse < scores[STATIC].rmse
    program = read_program(finished.folder / "program")
    assert program.digest() == finished.program.digest()
    again = evaluate_job(finished.folder, Asked())
    assert again.scores[MODEL] == scores[MODEL]
    assert again.scores[STATIC].rmse == pytest.approx(scores[STATIC].rmse)
    assert again.profiles == ("D",)
    assert again.findings == ()


def test_the_export_rebuilds_the_network(finished: job.Result) -> None:
    content = torch.load(finished.folder / "best_model_export.pt", weights_only=True)
    assert content["metadata"]["config"]["model"]["kind"] == "filterbank"
    assert len(content["metadata"]["data"]["training"]) == 4
    assert content["metadata"]["scores"][MODEL]["samples"] == 1200
    exported = read_export(finished.folder / "best_model_export.pt")
    program = to_program(exported.config, exported.network, exported.scalings)
    assert program.digest() == finished.program.digest()
    weights = torch.load(finished.folder / "best_model.pth", weights_only=True)
    for name, values in exported.network.state_dict().items():
        assert torch.equal(values, weights[name])


def test_the_scaler_is_of_the_training_data(finished: job.Result) -> None:
    scaler = json.loads((finished.folder / "scalers/augmentation_scaler.json").read_text())
    sides = ["A", "B", "C"]  # the refit learns from the validation side too
    current = np.concatenate(
        [drives.drive(p, d).columns["current_a"] for p in sides for d in (0.0, 25.0)]
    )
    place = scaler["inputs"]["columns"].index("current_a")
    assert scaler["inputs"]["offset"][place] == pytest.approx(current.mean())
    assert scaler["inputs"]["scale"][place] == pytest.approx(current.std())
    text = (finished.folder / "scalers/augmentation_scaler_statistics.txt").read_text()
    assert "Fitted on training data only" in text


def test_the_instructions_run(finished: job.Result) -> None:
    text = (finished.folder / "BEST_MODEL_LOADING_INSTRUCTIONS.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) == 2
    for block in blocks:
        code = f"{block}\nprint(float(value if isinstance(value, float) else value[0]))"
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        assert 2.0 < float(ran.stdout.split()[-1]) < 5.0


def test_its_own_configuration_gives_the_same_model(finished: job.Result, tmp_path: Path) -> None:
    folder = job.start(load_config(finished.folder / "config.toml"), tmp_path)
    assert job.run(folder, lambda _: None, never).program.digest() == finished.program.digest()


@pytest.mark.parametrize("after", [2, 6, 9])
def test_a_stopped_job_goes_on_to_the_same_model(tmp_path: Path, after: int) -> None:
    changes = {
        "model": {"kind": "gru", "size": 4},
        "training": {"epochs": 4, "batch": 2, "window": 60, "seeds": [1, 2], "refit": True},
    }
    whole = done(tmp_path / "whole", **changes)
    heard: list[Epoch] = []
    folder = job.start(drives.config(drives.four(tmp_path / "data"), **changes), tmp_path / "jobs")
    with pytest.raises(job.Interrupted):
        job.run(folder, heard.append, lambda: len(heard) == after)
    # As a kill between the line and the checkpoint would leave it.
    with (folder / "training_progress.csv").open("a", newline="") as file:
        last = heard[-1]
        csv.writer(file).writerow([last.phase, last.seed, last.epoch + 1, 4, *([0.0] * 8)])
    result = job.run(folder, heard.append, never)
    assert result.program.arrays.keys() == whole.program.arrays.keys()
    for name, values in whole.program.arrays.items():
        np.testing.assert_array_equal(values, result.program.arrays[name])
    rows = read_progress(folder / "training_progress.csv")
    keys = [(row["phase"], row["seed"], row["epoch"]) for row in rows]
    assert len(keys) == len(set(keys)) == 8 + result.chosen.best_epoch


def test_a_job_where_every_run_diverges_says_so(tmp_path: Path) -> None:
    model = {"kind": "fnn", "hidden": [64, 64], "activation": "relu"}
    training = {"learning_rate": 1.0, "schedule": "constant", "warm_up": 0.0}
    asked = drives.config(drives.four(tmp_path / "data"), model=model, training=training)
    folder = job.start(asked, tmp_path)
    with pytest.raises(InputError, match=r"lower training\.learning_rate") as caught:
        job.run(folder, lambda _: None, never)
    assert caught.value.reason == "diverged"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = job.start(drives.config(drives.four(tmp_path / "data")), tmp_path / "jobs")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evitals.models.training.os.fsync", full)
    with pytest.raises(InputError, match=r"No space left on device.*--resume"):
        job.run(folder, lambda _: None, never)
    monkeypatch.undo()
    assert job.run(folder, lambda _: None, never).runs[0].outcome == "finished"


def test_jobs_are_compared_on_the_same_data(finished: job.Result, tmp_path: Path) -> None:
    other = done(tmp_path, model={"kind": "lstm", "size": 3}, training={"window": 60, "batch": 2})
    found = compare_jobs([finished.folder, other.folder], Asked(profiles=("D",)))
    assert set(found.scores) == {finished.folder.name, other.folder.name, STATIC}
    assert found.scores[other.folder.name] == other.scores[MODEL]


def test_another_domain_is_flagged(finished: job.Result, tmp_path: Path) -> None:
    drives.write(tmp_path, drives.drive("E", 60.0))
    found = evaluate_job(finished.folder, Asked(on="files", folder=tmp_path))
    assert any("temperature_degc lies outside" in text for text in found.findings)
    with pytest.raises(InputError, match="is no profile"):
        evaluate_job(finished.folder, Asked(on="files", folder=tmp_path, profiles=("X",)))


def test_an_unfinished_job_has_no_model(tmp_path: Path) -> None:
    folder = job.start(drives.config(drives.four(tmp_path / "data")), tmp_path / "jobs")
    with pytest.raises(InputError, match=r"program\.json"):
        evaluate_job(folder, Asked())


def test_the_program_runs_compiled_alike(finished: job.Result) -> None:
    cycle = drives.drive("D")
    program = read_program(finished.folder / "program")
    assert isinstance(program, Program)
    compiled, plain = machine(program), machine(program, engine="numpy")
    np.testing.assert_allclose(compiled.run(cycle.timed()), plain.run(cycle.timed()), atol=1e-4)


@pytest.mark.data
def test_a_known_cell_leaves_a_bundle(public_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    asked = drives.config(
        data={"set": "lg_18650hg2", "folder": str(public_data)},
        split={"train": ["Mixed1"], "validate": ["Mixed2"], "test": ["HWFET"]},
        training={"epochs": 1, "batch": 2048},
    )
    result = job.run(job.start(asked, tmp_path), lambda _: None, never)
    found = bundle.load((result.folder / "model.evb").read_bytes())
    assert found.program.digest() == result.program.digest()
    assert found.manifest.chemistry == "NMC"
    assert found.manifest.metrics[0].value == result.scores[MODEL].rmse
    roles = {file.role for file in found.manifest.lineage.files}
    assert roles == {"train", "validation", "test"}
