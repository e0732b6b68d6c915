"""A switch between two steps: atomic, proven first, state carried only where it means the same."""

import threading
import time
from pathlib import Path

import msgspec
import pytest

from evitals.errors import RefusedBundle, RegistryError, UnknownModel
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.program import Program
from evitals.models.bundle import Bundle, load, read
from evitals.models.registry import Registry
from evitals.models.served import Running, Served, carried

from .bundles import made, programs, replaced, rewritten

SAMPLES: list[tuple[float, ...]] = [
    (1.0, 0.8 - k / 2000.0, -5.0 + (k % 7), 25.0) for k in range(60)
]


def one(kind: str = "filter_fnn", seed: int = 0) -> Bundle:
    return load(made(kind, f"{seed + 1}.0.0", seed))


def answers(bundle: Bundle, samples: list[tuple[float, ...]]) -> list[float]:
    engine = Interpreter(bundle.program)
    return [engine.step(*row) for row in samples]


def test_state_of_equal_meaning_goes_on_in_the_new_model() -> None:
    old, new = one(), one(seed=1)
    served = Served(old, Interpreter)
    stream = Running(served)
    for row in SAMPLES[:40]:
        stream.step(*row)
    assert served.switch(new)
    found = [stream.step(*row) for row in SAMPLES[40:]]
    # The means of the current know no weights: as if the new one had seen it all.
    assert found == answers(new, SAMPLES)[40:]
    assert stream.last_switch
    assert (stream.last_switch.before, stream.last_switch.after) == (old.digest, new.digest)
    assert stream.last_switch.carried


def test_state_of_another_meaning_starts_anew_and_says_so() -> None:
    served = Served(one("lstm"), Interpreter)
    stream = Running(served)
    for row in SAMPLES[:40]:
        stream.step(*row)
    served.switch(one("lstm", 1))
    found = [stream.step(*row) for row in SAMPLES[40:]]
    assert found == answers(one("lstm", 1), SAMPLES[40:])
    assert stream.last_switch
    assert not stream.last_switch.carried
    assert "cell0" in stream.last_switch.reason


def test_the_time_of_unknown_samples_is_carried_too() -> None:
    served = Served(one(), Interpreter)
    stream = Running(served)
    stream.step(*SAMPLES[0])
    stream.step(5.0, float("nan"), 0.0, 25.0)
    served.switch(one(seed=1))
    stream.step(*SAMPLES[1])
    engine = Interpreter(one(seed=1).program)
    for row in (SAMPLES[0], (5.0, float("nan"), 0.0, 25.0), SAMPLES[1]):
        engine.step(*row)
    assert stream.machine.state() == engine.state()


def test_states_are_matched_by_name_not_by_place() -> None:
    program = programs()["lstm"]
    state = {"program": "", "unknown_s": 0.0, "values": list(range(32))}
    same, reason = carried(program, program, state)
    assert same is not None
    assert (same["values"], reason) == (list(range(32)), "")
    turned = Program(
        program.kind, program.inputs, program.nodes, program.arrays, program.output, 1.0
    )
    msgspec.structs.force_setattr(turned, "states", dict(reversed(program.states.items())))
    other, _ = carried(program, turned, state)
    assert other is not None
    assert other["values"] == [*range(16, 32), *range(16)]
    assert carried(program, programs()["filter_fnn"], state)[0] is None


def test_a_model_that_does_not_prove_itself_never_serves() -> None:
    served = Served(one(), Interpreter)
    text = msgspec.json.decode(one(seed=1).files["golden.json"])
    text["outputs"][3] += 0.001
    wrong = replaced(made(seed=1), {"golden.json": msgspec.json.encode(text)})
    with pytest.raises(RefusedBundle):
        served.switch(read(wrong))
    assert served.current().digest == one().digest
    assert served.previous() is None
    with pytest.raises(RefusedBundle):
        Served(one("lstm"), lambda _: Interpreter(programs(1)["lstm"]))


def test_another_level_or_other_signals_are_refused() -> None:
    served = Served(one(), Interpreter)
    pack = load(rewritten(made(version="9.0.0"), level="pack"))
    with pytest.raises(RefusedBundle, match="beside") as refused:
        served.switch(pack)
    assert refused.value.reason == "other_signals"


def test_rollback_and_back() -> None:
    served = Served(one(), Interpreter)
    with pytest.raises(RegistryError, match="nothing served before"):
        served.rollback()
    served.switch(one(seed=1))
    assert not served.switch(one(seed=1))
    assert served.rollback().digest == one().digest
    assert served.current().digest == one().digest
    assert served.previous() is not None


def test_it_follows_the_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    registry.add(made(version="1.0.0", seed=0))
    registry.add(made(version="2.0.0", seed=1))
    registry.promote("made-up", "1.0.0")
    served = Served(registry.load("made-up"), Interpreter)
    assert not served.refresh(registry, "made-up")
    registry.promote("made-up", "2.0.0")
    assert served.refresh(registry, "made-up")
    assert served.current().manifest.version == "2.0.0"
    registry.rollback("made-up")
    path = tmp_path / "models" / "made-up" / "1.0.0.evb"
    path.chmod(0o644)
    path.write_bytes(b"broken")
    with pytest.raises(RefusedBundle):
        served.refresh(registry, "made-up")
    assert served.current().manifest.version == "2.0.0", "the old one goes on"
    with pytest.raises(UnknownModel):
        served.refresh(registry, "nobody")


def test_steps_under_way_end_on_the_model_they_began_with() -> None:
    """Four streams step while models switch; every answer is one of the two models', whole."""
    first, second = one("fnn"), one("fnn", 1)
    served = Served(first, Interpreter)
    row = SAMPLES[0]
    right = {first.digest: answers(first, [row])[0], second.digest: answers(second, [row])[0]}
    stop, wrong, seen = threading.Event(), [], set()

    def drive() -> None:
        stream = Running(served)
        while not stop.is_set():
            answer = stream.step(*row)
            seen.add(stream.bundle.digest)
            if answer != right[stream.bundle.digest]:
                wrong.append(answer)

    threads = [threading.Thread(target=drive) for _ in range(4)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        served.switch(second)
        time.sleep(0.01)
        served.rollback()
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen == set(right)


def test_reset_forgets() -> None:
    stream = Running(Served(one(), Interpreter))
    first = [stream.step(*row) for row in SAMPLES[:5]]
    stream.reset()
    assert [stream.step(*row) for row in SAMPLES[:5]] == first


def test_the_engine_that_serves_is_warmed() -> None:
    served = Served(one("circuit"))
    assert served.warm(one("circuit", 1)) < 1e-4
    assert isinstance(Running(served).step(*SAMPLES[0]), float)
