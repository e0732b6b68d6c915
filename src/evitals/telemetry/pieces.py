"""Where a recording is cut, compiled: the rules of ``trips`` and ``gaps``, row by row.

Constants come in as ``rules``: numba's cache watches only this file.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
States = NDArray[np.int8]
Pieces = NDArray[np.int64]

REST, CHARGE, DRIVE, OPEN = 0, 1, 2, 3
MOVING_MPS, REST_A, REST_S, CHARGE_S, PAUSE_S, GAP_S, GAP_STEPS, GAP_MAX_S = range(8)
"""Places in the vector ``rules``."""
WINDOW = 11
"""Steps whose median is the usual step; ``gaps.GAP_WINDOW``."""

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@_compiled
def _is_gap(time: Floats, first: int, stop: int, row: int, rules: Floats) -> bool:
    """Whether a step is longer than so many usual ones, the median of those around.

    It is not where most of those around reach its share: their median then does, too.
    """
    step = time[row] - time[row - 1]
    if 0.0 <= step <= rules[GAP_S]:
        return False
    if step < 0.0 or step > rules[GAP_MAX_S]:
        return True
    steps, reaching = stop - first - 1, 0
    for k in range(WINDOW):
        at = row - first - 1 + k - WINDOW // 2
        while at < 0 or at >= steps:  # mirrored at the ends
            at = -at - 1 if at < 0 else 2 * steps - 1 - at
        around = abs(time[first + at + 1] - time[first + at])
        reaching += rules[GAP_STEPS] * around >= step
    return bool(reaching <= WINDOW // 2)


@_compiled
def _fill(states: States, first: int, stop: int, default: int) -> None:
    """OPEN rows take the state before them, at the start the state after; else ``default``."""
    known = first
    while known < stop and states[known] == OPEN:
        known += 1
    last = np.int8(default) if known == stop else states[known]
    for k in range(first, stop):
        if states[k] == OPEN:
            states[k] = last
        else:
            last = states[k]


@_compiled
def _replace(
    time: Floats, states: States, first: int, stop: int, state: int, shorter_s: float, by: int
) -> None:
    """Runs of ``state`` shorter than ``shorter_s`` become ``by``, unless all is one run.

    DRIVE becomes CHARGE only where that stands on both sides.
    """
    start, before = first, -1
    while start < stop:
        end = start + 1
        own = states[start]
        while end < stop and states[end] == own:
            end += 1
        inside = before == by and end < stop and states[end] == by
        alone = start == first and end == stop
        if (
            own == state
            and not alone
            and (inside or state != DRIVE)
            and time[end - 1] - time[start] < shorter_s
        ):
            states[start:end] = by
        before, start = own, end


@_compiled
def _classify(
    time: Floats, current: Floats, speed: Floats, states: States, first: int, stop: int, p: Floats
) -> None:
    """The state of every row of a stretch without gaps, after short runs were merged."""
    resting = True
    for k in range(first, stop):
        state = DRIVE
        if not abs(speed[k]) > p[MOVING_MPS]:  # a missing speed does not move
            if current[k] != current[k]:
                state = OPEN
            elif abs(current[k]) <= p[REST_A]:
                state = REST
            elif current[k] > 0.0:
                state = CHARGE
        states[k] = state
    _fill(states, first, stop, DRIVE)
    for k in range(first, stop):
        resting = resting and states[k] == REST
    if not resting:
        _replace(time, states, first, stop, REST, p[REST_S], OPEN)
        _fill(states, first, stop, REST)
    _replace(time, states, first, stop, CHARGE, p[CHARGE_S], DRIVE)
    _replace(time, states, first, stop, DRIVE, p[PAUSE_S], CHARGE)


@_compiled
def _once(
    time: Floats, current: Floats, speed: Floats, states: States, out: Pieces, rules: Floats
) -> int:
    """Cut the rows of ``out[0]`` once, into ``out``; how many pieces it became."""
    first, stop = out[0, 0], out[0, 1]
    count, start = 0, first
    while start < stop:
        end = start + 1
        while end < stop and not _is_gap(time, first, stop, end, rules):
            end += 1
        _classify(time, current, speed, states, start, end, rules)
        run = start
        while run < end:
            after = run + 1
            while after < end and states[after] == states[run]:
                after += 1
            out[count, 0], out[count, 1], out[count, 2] = run, after, states[run]
            out[count, 3] = run > start
            count, run = count + 1, after
        start = end
    return count


@_compiled
def cut_rows(time: Floats, current: Floats, speed: Floats, rules: Floats) -> Pieces:
    """Pieces (m, 4) of arrays (n,): first row, row after the last, state, whether it follows.

    Cut until every piece, taken alone, is one piece: that makes cutting again change nothing.
    """
    n = time.size
    states = np.empty(n, dtype=np.int8)
    done, todo = np.empty((n, 4), dtype=np.int64), np.empty((n + 1, 4), dtype=np.int64)
    part = np.empty((n, 4), dtype=np.int64)
    todo[0, 0], todo[0, 1], todo[0, 3] = 0, n, 0
    waiting, count = (1 if n else 0), 0
    while waiting:
        waiting -= 1
        follows = todo[waiting, 3]
        part[0] = todo[waiting]
        found = _once(time, current, speed, states, part, rules)
        part[0, 3] = follows
        if found == 1:
            done[count] = part[0]
            count += 1
            continue
        for k in range(found - 1, -1, -1):
            todo[waiting] = part[k]
            waiting += 1
    return done[:count].copy()
