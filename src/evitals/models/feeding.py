"""Batches: shuffled samples for a net without memory, whole cycles on lanes for one with.

A lane plays one cycle after the other, window by window, and its state is carried from window to
window; at a cycle's first window it is blank. Lanes begin at different places of their first cycle,
so that one update sees full and empty cells. Everything can be saved and gone on from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """``x`` (batch, time, columns), ``y`` and ``counts`` (batch, time; 0 is padding), ``fresh``
    (batch,): a cycle begins."""

    x: Tensor
    y: Tensor
    counts: Tensor
    fresh: Tensor


class Feeder(Protocol):
    """What gives an epoch's batches."""

    lanes: int

    def epoch(self) -> Iterator[Batch]:
        """Every sample once, give or take a window a lane."""
        ...

    def state(self) -> dict[str, Any]:
        """Where it stands between two epochs: tensors and plain data."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        ...


class Shuffled:
    """Samples in a new order each epoch."""

    def __init__(self, cycles: Sequence[tuple[Tensor, Tensor]], batch: int, seed: int) -> None:
        self.x = torch.cat([x for x, _ in cycles])
        self.y = torch.cat([y for _, y in cycles])
        self.lanes = min(batch, len(self.y))
        self._random = torch.Generator().manual_seed(seed)

    def epoch(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.y), generator=self._random)
        ones = torch.ones(self.lanes, 1)
        fresh = torch.zeros(self.lanes, dtype=torch.bool)
        # The last, smaller batch is left to the next order: all updates weigh alike.
        for k in range(len(self.y) // self.lanes):
            rows = order[k * self.lanes : (k + 1) * self.lanes]
            yield Batch(self.x[rows][:, None], self.y[rows][:, None], ones, fresh)

    def state(self) -> dict[str, Any]:
        return {"random": self._random.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._random.set_state(state["random"])


class Lanes:
    """Whole cycles played on parallel lanes."""

    def __init__(
        self, cycles: Sequence[tuple[Tensor, Tensor]], lanes: int, window: int, seed: int
    ) -> None:
        self.window = window
        self.lanes = min(lanes, len(cycles))
        self._cycles = [_padded(x, y, window) for x, y in cycles]
        self._random = torch.Generator().manual_seed(seed)
        self._queue: list[int] = []
        self._cycle = [self._next() for _ in range(self.lanes)]
        self._window = [self._somewhere(cycle) for cycle in self._cycle]
        self._fresh = [True] * self.lanes
        windows = sum(len(counts) // window for _, _, counts in self._cycles)
        self._updates = -(-windows // self.lanes)

    def epoch(self) -> Iterator[Batch]:
        for _ in range(self._updates):
            parts = [self._cut(lane) for lane in range(self.lanes)]
            x, y, counts = (torch.stack(list(column)) for column in zip(*parts, strict=True))
            yield Batch(x, y, counts, torch.tensor(self._fresh))
            for lane in range(self.lanes):
                self._advance(lane)

    def state(self) -> dict[str, Any]:
        return {
            "random": self._random.get_state(),
            "queue": list(self._queue),
            "cycle": list(self._cycle),
            "window": list(self._window),
            "fresh": list(self._fresh),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._random.set_state(state["random"])
        self._queue, self._cycle = list(state["queue"]), list(state["cycle"])
        self._window, self._fresh = list(state["window"]), list(state["fresh"])

    def _cut(self, lane: int) -> tuple[Tensor, Tensor, Tensor]:
        start = self._window[lane] * self.window
        x, y, counts = self._cycles[self._cycle[lane]]
        end = start + self.window
        return x[start:end], y[start:end], counts[start:end]

    def _advance(self, lane: int) -> None:
        self._window[lane] += 1
        self._fresh[lane] = self._window[lane] * self.window >= len(
            self._cycles[self._cycle[lane]][2]
        )
        if self._fresh[lane]:
            self._cycle[lane], self._window[lane] = self._next(), 0

    def _next(self) -> int:
        if not self._queue:
            self._queue = torch.randperm(len(self._cycles), generator=self._random).tolist()
        return self._queue.pop()

    def _somewhere(self, cycle: int) -> int:
        windows = len(self._cycles[cycle][2]) // self.window
        return int(torch.randint(windows, (1,), generator=self._random))


def _padded(x: Tensor, y: Tensor, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """A cycle padded to whole windows; what is padding counts 0."""
    more = -len(y) % window
    counts = torch.cat([torch.ones(len(y)), torch.zeros(more)])
    return torch.cat([x, x.new_zeros(more, x.shape[1])]), torch.cat([y, y.new_zeros(more)]), counts
