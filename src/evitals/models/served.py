"""The model that answers now, and streams that follow it when it is switched.

A switch is one assignment: readers take no lock, a step that is under way ends on the model it
began with, and a model that does not prove itself first never serves.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from evitals.errors import RefusedBundle, RegistryError
from evitals.estimators.program.engine import machine
from evitals.estimators.program.machine import Machine
from evitals.estimators.program.program import Program
from evitals.models.bundle import Bundle, state_parts
from evitals.models.golden import check
from evitals.models.registry import CHAMPION, Alias, Registry

Engine = Callable[[Program], Machine]


class Switch(Struct, frozen=True):
    """What a stream noticed of a switch: the digests, and whether its state was taken along."""

    before: str
    after: str
    carried: bool
    reason: str = ""


class Served:
    """Holds the model that answers, and the one that did before. Safe among threads."""

    def __init__(self, bundle: Bundle, engine: Engine = machine) -> None:
        """``engine`` makes the machine that will serve. Raises RefusedBundle as ``switch``."""
        self.engine = engine
        self._changing = threading.Lock()
        self.warm(bundle)
        self._pair: tuple[Bundle, Bundle | None] = bundle, None

    def current(self) -> Bundle:
        """The model that answers now; lock-free."""
        return self._pair[0]

    def previous(self) -> Bundle | None:
        """The one before; kept in memory for ``rollback``."""
        return self._pair[1]

    def warm(self, bundle: Bundle) -> float:
        """Make the machine and run the golden vectors on it; the largest error, output's unit.

        Compiles where the engine does. Raises RefusedBundle where the answers are not the golden
        ones.
        """
        return check(bundle.golden, self.engine(bundle.program))

    def switch(self, bundle: Bundle) -> bool:
        """Let ``bundle`` answer from the next step on, once it is warm; False where it does now.

        Raises RefusedBundle where it is not warm or speaks of other signals; the old one goes on.
        """
        with self._changing:
            if bundle.digest == self.current().digest:
                return False
            _same_signals(self.current(), bundle)
            self.warm(bundle)
            self._pair = bundle, self.current()
        return True

    def rollback(self) -> Bundle:
        """Let the one before answer again. Raises RegistryError where there is none."""
        with self._changing:
            current, previous = self._pair
            if previous is None:
                raise RegistryError(f"models: nothing served before {current.name}")
            self._pair = previous, current
        return previous

    def refresh(self, registry: Registry, model: str, alias: Alias = CHAMPION) -> bool:
        """Switch to what ``alias`` stands for now; True where that is another one.

        One small file is read where nothing changed. Raises EvitalsError, and the old one goes on.
        """
        ref = getattr(registry.aliases(model), alias)
        if ref is not None and ref.digest == self.current().digest:
            return False
        return self.switch(registry.load(model, alias))


class Running:
    """One stream of samples through whatever ``served`` holds. Calls take turns.

    After a switch the state is taken along only where the new model's state has the same parts with
    the same shapes and meanings; else it starts anew, and ``last_switch`` says so.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._lock = threading.Lock()
        self._bundle = served.current()
        self.machine = served.engine(self._bundle.program)
        self.last_switch: Switch | None = None

    @property
    def bundle(self) -> Bundle:
        """The model that gave the last answer."""
        return self._bundle

    def step(self, dt_s: float, *values: float) -> float:
        """As ``Machine.step``, by the model that serves when the step begins."""
        with self._lock:
            bundle = self._served.current()
            if bundle is not self._bundle:
                self._follow(bundle)
            return self.machine.step(dt_s, *values)

    def reset(self) -> None:
        """Forget all samples."""
        with self._lock:
            self.machine.reset()

    def _follow(self, bundle: Bundle) -> None:
        following = self._served.engine(bundle.program)
        before, after = self.machine.program, bundle.program
        state, reason = carried(before, after, self.machine.state())
        if state is not None:
            following.restore(state)
        self.last_switch = Switch(self._bundle.digest, bundle.digest, state is not None, reason)
        self._bundle, self.machine = bundle, following


def _same_signals(before: Bundle, after: Bundle) -> None:
    """A stream goes on with the signals and at the level it has."""

    def terms(bundle: Bundle) -> tuple[object, ...]:
        said = bundle.manifest
        return said.level, *((s.name, s.unit) for s in (*said.inputs, said.output))

    if terms(before) != terms(after):
        raise RefusedBundle(
            "bundle",
            after.name,
            f"has another level or other signals than {before.name}, which serves",
            "serve it beside, not instead",
            reason="other_signals",
        )


def carried(
    before: Program, after: Program, state: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """The state of ``before`` as one of ``after``, or None and why it cannot be."""
    old, new = state_parts(before), state_parts(after)
    odd = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if odd:
        return None, f"{odd[0]} is another state; it starts anew"
    values, parts, start = state["values"], {}, 0
    for name, width in before.states.items():
        parts[name] = values[start : start + width]
        start += width
    order = [value for name in after.states for value in parts[name]]
    return {
        "program": after.digest(), "unknown_s": state["unknown_s"], "values": order,
    }, ""  # fmt: skip
