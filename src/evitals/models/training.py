"""Training: truncated back-propagation with the state carried through whole cycles.

One loop for every kind and every target. It is a fold over epochs: stopped anywhere (Ctrl-C, time,
kill) it goes on from its checkpoint to the same weights it would have had. A checkpoint holds
tensors and plain data only and is read with ``weights_only=True``.
"""

import copy
import io
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from evitals.errors import InputError
from evitals.models.config import Config, Training, dump_config
from evitals.models.cycles import Cycle
from evitals.models.feeding import Batch, Feeder, Lanes, Shuffled
from evitals.models.networks import Network, Scalings, State, build, fit_scalings, front_of

Outcome = Literal["finished", "stopped early", "out of time", "interrupted", "diverged"]
DIVERGED = 10.0
"""A loss above so many target variances: guessing the mean has a loss of one."""
PLATEAU_EPOCHS, PLATEAU_FACTOR = 8, 0.5
CHECKPOINT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Epoch:
    """One finished epoch. Errors in the target's unit; ``by_degc``: validation RMSE by ambient."""

    seed: int
    phase: str
    epoch: int
    epochs: int
    seconds: float
    left_s: float
    loss: float
    rmse: float | None
    by_degc: dict[float, float]
    learning_rate: float
    best: bool


@dataclass(slots=True)
class Run:
    """One seed's training: how it ended, why, and the best weights met."""

    seed: int
    phase: str
    outcome: Outcome
    explanation: str
    best_epoch: int
    best_rmse: float | None
    best_loss: float
    seconds: float
    weights: dict[str, Tensor] = field(repr=False)
    """Of the best validation error, without validation of the last epoch; {} before any epoch."""


Watch = Callable[[Epoch], None]
Stop = Callable[[], bool]


class Trainer:
    """One network trained on ``train`` and judged on ``validate`` (which may be empty).

    ``seed`` and ``config`` decide the result, on one machine and one number of threads. Raises
    InputError where the data cannot be scaled.
    """

    def __init__(
        self,
        config: Config,
        train: Sequence[Cycle],
        validate: Sequence[Cycle],
        seed: int,
        *,
        epochs: int | None = None,
        phase: str = "train",
    ) -> None:
        self.config, self.seed, self.phase = config, seed, phase
        self.settings = config.training
        self.epochs = epochs or self.settings.epochs
        torch.set_num_threads(self.settings.threads)
        torch.manual_seed(seed)
        self.network = build(config)
        self.scalings = fit_scalings(config, train)
        self.spread = self.scalings.target.scale[0]
        self._validate = [(c.ambient_degc, *tensors(config, self.scalings, c)) for c in validate]
        self.feeder = _feeder(
            config, self.network, [tensors(config, self.scalings, c) for c in train], seed
        )
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        self._state: State = self.network.blank(self.feeder.lanes)
        self._done, self._seconds, self._waited, self._rate = 0, 0.0, 0, 1.0
        self._ended: tuple[Outcome, str] | None = None
        self._best = Run(seed, phase, "interrupted", "", 0, None, math.inf, 0.0, {})

    def run(self, budget_s: float, watch: Watch, stop: Stop, checkpoint: Path | None = None) -> Run:
        """Train to the end, or as far as ``budget_s`` (of this seed in all) and ``stop`` let.

        After every epoch ``watch`` hears of it and ``checkpoint`` is written. Never raises for a
        diverging loss: the run says so.
        """
        if self._ended is not None:
            return self._end(*self._ended)
        while self._done < self.epochs:
            if self._seconds >= budget_s:
                return self._end("out of time", f"after {self._done} of {self.epochs} epochs")
            started = time.perf_counter()
            loss = self._epoch(stop)
            if loss is None:
                # A part of an epoch is forgotten: the checkpoint stands at the last whole one.
                return self._end("interrupted", f"in epoch {self._done + 1} of {self.epochs}")
            rmse, by_degc = self._judge()
            if problem := _divergence(loss, rmse, self.spread):
                return self._end("diverged", f"in epoch {self._done + 1}: {problem}")
            self._done += 1
            better = self._keep(rmse, loss)
            self._seconds += time.perf_counter() - started
            watch(self._told(loss, rmse, by_degc, better, budget_s))
            if checkpoint is not None:
                save(checkpoint, self.state())
            if self.settings.patience and self._waited >= self.settings.patience:
                return self._end("stopped early", f"{self._waited} epochs without a better one")
        return self._end("finished", f"after {self.epochs} epochs")

    @property
    def done(self) -> int:
        """Whole epochs behind it."""
        return self._done

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on: tensors and plain data."""
        return {
            "version": CHECKPOINT_VERSION,
            "config": dump_config(self.config),
            "seed": self.seed,
            "phase": self.phase,
            "epochs": self.epochs,
            "scaling": [list(self.scalings.seen.offset), list(self.scalings.seen.scale)],
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "feeder": self.feeder.state(),
            "state": list(self._state),
            "done": self._done,
            "seconds": self._seconds,
            "waited": self._waited,
            "rate": self._rate,
            "best_epoch": self._best.best_epoch,
            "best_rmse": self._best.best_rmse,
            "best_loss": self._best.best_loss,
            "best": self._best.weights,
            "ended": None if self._ended is None else list(self._ended),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()`` of the same configuration, seed and data. Raises InputError."""
        ours = self.state()
        for name in ("version", "config", "seed", "phase", "epochs", "scaling"):
            if state.get(name) != ours[name]:
                raise InputError(
                    "checkpoint",
                    state.get(name),
                    f"is of another {name}",
                    "resume with the job's own configuration and data, or start a new job",
                )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.feeder.restore(state["feeder"])
        self._state = tuple(state["state"])
        self._done, self._seconds = state["done"], state["seconds"]
        self._waited, self._rate = state["waited"], state["rate"]
        self._best.best_epoch, self._best.best_rmse = state["best_epoch"], state["best_rmse"]
        self._best.best_loss = state["best_loss"]
        self._best.weights = state["best"]
        self._ended = tuple(state["ended"]) if state["ended"] else None

    def _epoch(self, stop: Stop) -> float | None:
        """The mean loss over an epoch; None where it was stopped."""
        self.network.train()
        total, count = 0.0, 0.0
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self._share()
        for batch in self.feeder.epoch():
            if stop():
                return None
            loss = self._update(batch)
            seen = float(batch.counts.sum())
            total, count = total + loss * seen, count + seen
            if not math.isfinite(loss):
                break
        return total / max(count, 1.0)

    def _update(self, batch: Batch) -> float:
        state = tuple(part.detach() * ~batch.fresh[:, None] for part in self._state)
        y, self._state = self.network.run(batch.x, state)
        loss = (batch.counts * (y - batch.y) ** 2).sum() / batch.counts.sum().clamp(min=1.0)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        return float(loss.detach())

    def _share(self) -> float:
        """The learning rate of this epoch as a share of the configured one."""
        warm = self.settings.warm_up * self.epochs
        if self._done + 1 < warm:
            return (self._done + 1) / warm
        if self.settings.schedule == "cosine":
            through = (self._done - warm) / max(self.epochs - warm, 1.0)
            return 0.5 * (1.0 + math.cos(math.pi * min(max(through, 0.0), 1.0)))
        return self._rate

    def _judge(self) -> tuple[float | None, dict[float, float]]:
        """Validation RMSE, pooled over samples, and by ambient; None without such cycles."""
        if not self._validate:
            return None, {}
        self.network.eval()
        squares: dict[float, list[float]] = {}
        for degc, x, y in self._validate:
            error = predict(self.network, x) - y
            parts = squares.setdefault(degc, [0.0, 0.0])
            parts[0] += float((error**2).sum()) * self.spread**2
            parts[1] += len(y)
        by_degc = {d: math.sqrt(s / n) for d, (s, n) in sorted(squares.items())}
        total, count = (sum(part[k] for part in squares.values()) for k in (0, 1))
        return math.sqrt(total / count), by_degc

    def _keep(self, rmse: float | None, loss: float) -> bool:
        best = self._best
        better = rmse is None or best.best_rmse is None or rmse < best.best_rmse
        if better:
            best.best_epoch, best.best_rmse, best.best_loss = self._done, rmse, loss
            best.weights = copy.deepcopy(self.network.state_dict())
            self._waited = 0
            return True
        self._waited += 1
        if self.settings.schedule == "plateau" and self._waited % PLATEAU_EPOCHS == 0:
            self._rate *= PLATEAU_FACTOR
        return False

    def _told(
        self,
        loss: float,
        rmse: float | None,
        by_degc: dict[float, float],
        best: bool,
        budget: float,
    ) -> Epoch:
        left = self._seconds / self._done * (self.epochs - self._done)
        return Epoch(
            self.seed, self.phase, self._done, self.epochs, self._seconds,
            max(min(left, budget - self._seconds), 0.0), loss, rmse, by_degc,
            self.optimizer.param_groups[0]["lr"], best,
        )  # fmt: skip

    def _end(self, outcome: Outcome, explanation: str) -> Run:
        if outcome != "interrupted":
            self._ended = outcome, explanation
        run = self._best
        run.outcome, run.explanation, run.seconds = outcome, explanation, self._seconds
        if run.weights:
            self.network.load_state_dict(run.weights)
        return run


def tensors(config: Config, scalings: Scalings, cycle: Cycle) -> tuple[Tensor, Tensor]:
    """A cycle's scaled columns (n, columns) and scaled target (n,), float32."""
    seen = front_of(config).run(cycle)
    x = scalings.seen.apply(np.column_stack([seen[name] for name in scalings.seen.columns]))
    y = scalings.target.apply(cycle.columns[config.target][:, None])[:, 0]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def predict(network: Network, x: Tensor) -> Tensor:
    """Scaled answers (n,) over one whole cycle (n, columns), from a blank state."""
    with torch.inference_mode():
        y, _ = network.run(x[None], network.blank(1))
    return y[0]


def save(path: Path, state: dict[str, Any]) -> None:
    """Tensors and plain data to a file, whole or not at all: a kill leaves the one before."""
    content = io.BytesIO()
    torch.save(state, content)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's state; nothing in the file is run. Raises InputError."""
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:
        # torch names no common class: a torn zip, a refused type and a short file each raise
        # their own.
        raise InputError(
            "checkpoint", path.name, f"cannot be read: {str(error)[:200]}", "start a new job"
        ) from error
    if not isinstance(state, dict):
        raise InputError("checkpoint", path.name, "holds no training", "start a new job")
    return state


def _feeder(
    config: Config, network: Network, cycles: list[tuple[Tensor, Tensor]], seed: int
) -> Feeder:
    settings: Training = config.training
    if not network.remembers:
        return Shuffled(cycles, settings.batch, seed)
    shortest = min(len(y) for _, y in cycles)
    if shortest < settings.window:
        raise InputError(
            "training.window",
            settings.window,
            f"is longer than a training cycle ({shortest} samples)",
            "use a shorter window, or leave that cycle out",
        )
    return Lanes(cycles, settings.batch, settings.window, seed)


def _divergence(loss: float, rmse: float | None, spread: float) -> str:
    """What is wrong with these errors; "" where nothing is."""
    remedy = "lower training.learning_rate or training.clip"
    if not math.isfinite(loss) or (rmse is not None and not math.isfinite(rmse)):
        return f"the loss is no number any more; {remedy}"
    if loss > DIVERGED:
        return f"the loss is {loss:.3g} times the target's variance; {remedy}"
    if rmse is not None and rmse**2 > DIVERGED * spread**2:
        return f"the validation error is {rmse / spread:.3g} times the target's spread; {remedy}"
    return ""
