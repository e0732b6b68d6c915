import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from evitals.cli import main
from evitals.models.config import dump_config
from tests.models import drives

pytest.importorskip("torch")


def written(tmp_path: Path, epochs: int = 3) -> Path:
    path = tmp_path / "job.toml"
    asked = drives.config(drives.four(tmp_path / "data"), training={"epochs": epochs})
    path.write_text(dump_config(asked))
    return path


def test_train_evaluate_and_compare(tmp_path: Path) -> None:
    config, jobs = written(tmp_path), str(tmp_path / "jobs")
    ran = CliRunner().invoke(
        main, ["train", str(config), "--to", jobs, "--set", "training.epochs=5", "--json"]
    )
    assert ran.exit_code == 0, ran.output
    assert "epoch 5/5" in ran.stderr
    assert "(0: " in ran.stderr
    told = json.loads(ran.stdout)
    assert told["best_epoch"] <= 5
    assert set(told["scores"]) == {"this model", "static OCV+R table"}
    folder = told["folder"]
    ran = CliRunner().invoke(main, ["evaluate", folder])
    assert ran.exit_code == 0, ran.output
    assert "static OCV+R table" in ran.output
    assert "RMSE in mV" in ran.output
    other = CliRunner().invoke(main, ["train", str(config), "--to", jobs])
    assert other.exit_code == 0, other.output
    assert "Test side, never selected on" in other.output
    folders = sorted(str(path) for path in Path(jobs).iterdir())
    ran = CliRunner().invoke(main, ["compare", *folders, "--json"])
    assert ran.exit_code == 0, ran.output
    assert len(json.loads(ran.stdout)["scores"]) == 3


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    config = written(tmp_path)
    ran = CliRunner().invoke(main, ["train", str(config), "--set", "training.epoch=5"])
    assert ran.exit_code == 1
    assert "did you mean epochs?" in ran.output
    assert CliRunner().invoke(main, ["train"]).exit_code == 2
    both = CliRunner().invoke(main, ["train", str(config), "--resume", str(tmp_path)])
    assert both.exit_code == 2


def test_ctrl_c_stops_and_resume_goes_on(tmp_path: Path) -> None:
    config, jobs = written(tmp_path, epochs=2000), tmp_path / "jobs"
    command = [sys.executable, "-m", "evitals.cli", "train", str(config), "--to", str(jobs)]
    code = "import sys; from evitals.cli import main; main(sys.argv[1:])"
    command[1:3] = ["-c", code]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline:
        lines = [p.read_text().count("\n") for p in jobs.glob("*/training_progress.csv")]
        if lines and lines[0] > 3:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    (folder,) = jobs.iterdir()
    # A message may be folded at the frame's width.
    assert "go on with" in said
    assert not (folder / "best_model.pth").exists()
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text)
    count = (folder / "training_progress.csv").read_text().count("\n")
    resumed = subprocess.Popen([*command[:3], "train", "--resume", str(folder)])
    while time.monotonic() < deadline:
        if (folder / "training_progress.csv").read_text().count("\n") > count + 2:
            break
        time.sleep(0.1)
    resumed.send_signal(signal.SIGTERM)
    assert resumed.wait(timeout=60) == 1
    epochs = [
        int(line.split(",")[2])
        for line in (folder / "training_progress.csv").read_text().splitlines()[1:]
    ]
    assert epochs == list(range(1, len(epochs) + 1))
