import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.models import drives

torch = pytest.importorskip("torch")

from evitals.errors import InputError  # noqa: E402
from evitals.models.baseline import fit_static  # noqa: E402
from evitals.models.config import Config  # noqa: E402
from evitals.models.cycles import Cycle  # noqa: E402
from evitals.models.evaluate import score  # noqa: E402
from evitals.models.feeding import Lanes, Shuffled  # noqa: E402
from evitals.models.networks import to_program  # noqa: E402
from evitals.models.training import Epoch, Run, Trainer, read_checkpoint, save  # noqa: E402

TRAIN = [drives.drive(p, degc) for p in "AB" for degc in (0.0, 25.0)]
VALIDATE = [drives.drive("C", degc) for degc in (0.0, 25.0)]
UNSEEN = [drives.drive("D", degc) for degc in (0.0, 25.0)]
LSTM = {"kind": "lstm", "size": 6}
LANES = {"batch": 3, "window": 50, "learning_rate": 0.01}


def trained(
    asked: Config,
    seed: int = 1,
    validate: Sequence[Cycle] = VALIDATE,
    budget_s: float = 1e9,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Trainer, Run, list[Epoch]]:
    trainer = Trainer(asked, TRAIN, validate, seed)
    told: list[Epoch] = []
    return trainer, trainer.run(budget_s, told.append, stop), told


def test_a_filter_bank_learns_a_cell_it_was_not_told_of() -> None:
    asked = drives.config(
        model={"kind": "filterbank", "hidden": [12], "tau_s": [5.0, 20.0]},
        training={"epochs": 60, "batch": 64, "learning_rate": 0.01},
    )
    trainer, run, told = trained(asked)
    assert run.outcome == "finished"
    assert len(told) == 60
    assert (told[-1].rmse or 1.0) < 0.2 * (told[0].rmse or 0.0)
    assert set(told[-1].by_degc) == {0.0, 25.0}
    ours = score(to_program(asked, trainer.network, trainer.scalings), UNSEEN)
    assert ours.rmse < 0.5 * score(fit_static(TRAIN), UNSEEN).rmse
    assert ours.rmse < 0.006


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_recurrent_net_learns_with_its_state_carried(kind: str) -> None:
    asked = drives.config(
        model={"kind": kind, "size": 6, "skip": True}, training={**LANES, "epochs": 60}
    )
    _, run, told = trained(asked)
    assert run.outcome == "finished"
    assert (told[-1].rmse or 1.0) < 0.2 * (told[0].rmse or 0.0)


@pytest.mark.parametrize(
    "changes",
    [{"training": {"epochs": 4}}, {"model": LSTM, "training": {**LANES, "epochs": 4}}],
    ids=["filterbank", "lstm"],
)
def test_a_seed_decides_and_a_resumed_run_ends_the_same(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    asked = drives.config(**changes)
    _, whole, told = trained(asked)
    _, again, _ = trained(asked)
    _, other, _ = trained(asked, seed=2)
    checkpoint = tmp_path / "checkpoint.pt"
    broken = Trainer(asked, TRAIN, VALIDATE, 1)
    heard: list[Epoch] = []
    stopped = broken.run(1e9, heard.append, lambda: len(heard) == 2, checkpoint)
    assert stopped.outcome == "interrupted"
    resumed = Trainer(asked, TRAIN, VALIDATE, 1)
    resumed.restore(read_checkpoint(checkpoint))
    end = resumed.run(1e9, heard.append, lambda: False)
    assert [e.loss for e in heard] == [e.loss for e in told]
    for name, weights in whole.weights.items():
        assert torch.equal(weights, again.weights[name])
        assert torch.equal(weights, end.weights[name])
        assert not torch.equal(weights, other.weights[name])


def test_a_diverging_run_is_stopped_and_explained() -> None:
    asked = drives.config(training={"epochs": 50, "learning_rate": 1.0, "clip": 1e6})
    trainer = Trainer(asked, TRAIN, VALIDATE, 1)
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(math.nan)
    run = trainer.run(1e9, lambda _: None, lambda: False)
    assert run.outcome == "diverged"
    assert "lower training.learning_rate" in run.explanation
    assert run.weights == {}


def test_a_loss_far_above_guessing_the_mean_diverges_too() -> None:
    trainer = Trainer(drives.config(training={"epochs": 50}), TRAIN, [], 1)
    with torch.no_grad():
        for weights in trainer.network.parameters():
            weights.mul_(100.0)
    run = trainer.run(1e9, lambda _: None, lambda: False)
    assert run.outcome == "diverged"
    assert "times the target's variance" in run.explanation


def test_early_stopping_keeps_the_best() -> None:
    asked = drives.config(
        training={"epochs": 400, "patience": 3, "schedule": "plateau", "learning_rate": 0.05}
    )
    trainer, run, told = trained(asked)
    assert run.outcome == "stopped early"
    assert len(told) == run.best_epoch + 3
    assert run.best_rmse == min(e.rmse for e in told if e.rmse is not None)
    assert told[run.best_epoch - 1].best
    x = trainer.network.state_dict()
    assert all(torch.equal(x[name], weights) for name, weights in run.weights.items())


def test_the_time_budget_ends_a_run() -> None:
    _, run, told = trained(drives.config(training={"epochs": 10_000}), budget_s=0.2)
    assert run.outcome == "out of time"
    assert 0 < len(told) < 10_000
    assert told[0].left_s <= 0.2


def test_without_validation_the_last_epoch_is_kept() -> None:
    asked = drives.config(split={"validate": []}, training={"epochs": 3})
    _, run, told = trained(asked, validate=[])
    assert run.best_epoch == 3
    assert run.best_rmse is None
    assert told[-1].learning_rate < told[0].learning_rate


def test_a_checkpoint_of_another_job_or_broken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(path, Trainer(drives.config(seed=5), TRAIN, VALIDATE, 1).state())
    with pytest.raises(InputError, match="is of another config"):
        Trainer(drives.config(), TRAIN, VALIDATE, 1).restore(read_checkpoint(path))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(path)


def test_a_window_longer_than_a_cycle_is_refused() -> None:
    with pytest.raises(InputError, match="longer than a training cycle") as caught:
        Trainer(drives.config(model=LSTM, training={"window": 700}), TRAIN, [], 1)
    assert caught.value.field == "training.window"


def numbered(lengths: Sequence[int]) -> list[tuple[Any, Any]]:
    """Cycles whose column counts (cycle, sample)."""
    return [
        (torch.stack([torch.full((n,), float(c)), torch.arange(float(n))], 1), torch.zeros(n))
        for c, n in enumerate(lengths)
    ]


def test_lanes_play_whole_cycles_in_order_and_reset_between() -> None:
    lanes = Lanes(numbered([95, 40, 200]), lanes=2, window=30, seed=1)
    last: list[tuple[float, float]] = [(-1.0, -1.0)] * 2
    played = 0
    for _ in range(12):
        for batch in lanes.epoch():
            for lane in range(2):
                cycle, sample = batch.x[lane, 0].tolist()
                assert sample % 30 == 0
                if not batch.fresh[lane]:
                    assert (cycle, sample) == (last[lane][0], last[lane][1] + 30)
                elif last[lane][0] >= 0.0:
                    assert sample == 0
                    length = [95, 40, 200][int(last[lane][0])]
                    assert last[lane][1] + 30 >= length
                last[lane] = (cycle, sample)
                counted = int(batch.counts[lane].sum())
                assert counted == min(30, [95, 40, 200][int(cycle)] - int(sample))
                played += counted
    assert played == pytest.approx(12 * 335, rel=0.1)


def test_shuffled_gives_every_sample_once() -> None:
    shuffled = Shuffled(numbered([64, 32]), batch=24, seed=1)
    seen = [tuple(row) for b in shuffled.epoch() for row in b.x[:, 0].tolist()]
    assert len(seen) == len(set(seen)) == 96
