"""Compiled programs: built once, whole or absent, and a reason where they cannot be."""

import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.program import Machine, Program, machine
from evitals.estimators.program import compiled as module
from evitals.estimators.program.compiled import Compiled, default_cache

from .made_up import KINDS, columns, filter_fnn, gru, irregular, lstm, stepped

pytest.importorskip("cffi", reason="needs cffi: pip install cffi")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


def built(program: Program, cache: Path) -> Machine:
    found = machine(program, cache=cache)
    if found.engine == "numpy" and "no C compiler" in found.reason:
        pytest.skip("no C compiler: apt-get install gcc python3-dev")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_like_the_reference(kind: str, cache: Path) -> None:
    program = KINDS[kind]()
    made = columns(2000) if program.step_s else irregular(2000)
    one = built(program, cache)
    assert one.engine in ("cffi", "dlopen")
    assert one.reason == ""
    answers = one.run(made)
    np.testing.assert_allclose(answers, machine(program, "numpy").run(made), rtol=0, atol=5e-5)
    one.reset()
    np.testing.assert_allclose(stepped(one, made), answers, rtol=0, atol=1e-6)


def test_a_state_moves_between_machines(cache: Path) -> None:
    program, made = lstm(), columns(50)
    one, two = built(program, cache), machine(program, "numpy")
    one.run(made)
    two.restore(one.state())
    one.restore(two.state())
    assert one.step(1.0, 0.5, -2.0, 20.0) == pytest.approx(two.step(1.0, 0.5, -2.0, 20.0), abs=1e-5)


def test_the_second_machine_builds_nothing(cache: Path, tmp_path: Path) -> None:
    built(gru(), tmp_path)
    with mock.patch.object(module, "_compile", side_effect=AssertionError("built twice")):
        assert built(gru(), tmp_path).engine != "numpy"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_broken_library_is_built_again(tmp_path: Path) -> None:
    if built(gru(), tmp_path / "good").engine == "numpy":
        pytest.skip("no C compiler: apt-get install gcc")
    (library,) = (tmp_path / "good").iterdir()
    (tmp_path / "bad").mkdir(mode=0o700)
    (tmp_path / "bad" / library.name).write_bytes(b"not a library")
    found = machine(gru(), cache=tmp_path / "bad")
    assert found.engine == built(gru(), tmp_path / "good").engine
    assert math.isfinite(found.step(0.0, 0.5, 1.0, 20.0))


def test_builders_may_race(tmp_path: Path) -> None:
    answers: list[object] = []

    def build() -> None:
        answers.append(machine(filter_fnn(), cache=tmp_path).run(columns(50))[-1])

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_without_headers_it_is_called_through_libffi(tmp_path: Path) -> None:
    direct = built(lstm(), tmp_path)
    with mock.patch.object(module, "_python_headers", return_value=[]):
        other = machine(lstm(), cache=tmp_path)
    assert other.engine == "dlopen"
    assert np.array_equal(other.run(columns()), direct.run(columns()))


REASONS = {
    "no compiler": ({"CC": "no-such-compiler"}, "no-such-compiler not found"),
    "failing compiler": ({"CC": "false"}, "did not compile it"),
}


@pytest.mark.parametrize("case", REASONS)
def test_numpy_steps_in_and_says_why(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, reason = REASONS[case]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = machine(lstm(), cache=tmp_path)
    assert found.engine == "numpy"
    assert reason in found.reason
    assert math.isfinite(found.step(0.0, 0.5, 1.0, 20.0))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=reason):
        machine(lstm(), "compiled", tmp_path)


def test_without_cffi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cffi", None)
    found = machine(lstm(), cache=tmp_path)
    assert found.engine == "numpy"
    assert "pip install cffi" in found.reason


def test_a_cache_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    found = machine(lstm(), cache=folder)
    assert found.engine == "numpy"
    assert "written by others" in found.reason


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot be used" in machine(lstm(), cache=file).reason


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/evitals/programs")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "evitals" / "programs"


def test_an_unknown_engine() -> None:
    with pytest.raises(InputError, match="auto, compiled or numpy"):
        machine(lstm(), "fpga")  # type: ignore[arg-type]


def test_wrong_arguments_are_a_type_error(cache: Path) -> None:
    for made in (built(lstm(), cache), machine(lstm(), "numpy")):
        with pytest.raises(TypeError):
            made.step(1.0, 0.5)


def test_the_runtime_needs_no_torch_no_numba_no_cffi_to_import() -> None:
    code = (
        "import sys, evitals.estimators.program\n"
        "print([m for m in ('torch', 'numba', 'cffi', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert run.stdout.strip() == "[]"


def test_compiled_raises_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(module.CannotCompile, match="not found"):
        Compiled(lstm(), tmp_path)
