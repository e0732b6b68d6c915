"""The C of every kind: no warning, equal text for equal programs, the reference's answers."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.program import Input, Node, Output, Program, machine
from evitals.estimators.program.c_source import TANH_LIMIT, CSource, Layout, c_source, literal

from .made_up import KINDS, columns, filter_fnn, irregular, lstm

STRICT = (
    "-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion",
    "-Wshadow", "-Werror",
)  # fmt: skip


@pytest.fixture(scope="module")
def gcc() -> str:
    found = shutil.which("gcc")
    if found is None:
        pytest.skip("no gcc: apt-get install gcc")
    return found


def written(source: CSource, folder: Path) -> Path:
    (folder / f"{source.name}.h").write_text(source.header)
    file = folder / f"{source.name}.c"
    file.write_text(source.source)
    return file


MAIN = """
#include "model.h"
#include <stdio.h>

int main(void)
{
    model_t model;
    float dt_s;
    float x[4];
    model_init(&model);
    while (fread(&dt_s, sizeof dt_s, 1, stdin) == 1 && fread(x, sizeof x[0], 3, stdin) == 3) {
        const float y = model_step(&model, dt_s, x[0], x[1], x[2]);
        fwrite(&y, sizeof y, 1, stdout);
    }
    return 0;
}
"""


@pytest.mark.parametrize("layout", ["column", "row"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_compiles_silently_and_answers_alike(
    kind: str, layout: Layout, gcc: str, tmp_path: Path
) -> None:
    program = KINDS[kind]()
    file = written(c_source(program, "model", layout), tmp_path)
    (tmp_path / "main.c").write_text(MAIN)
    command = [gcc, *STRICT, str(file), str(tmp_path / "main.c"), "-o", str(tmp_path / "a"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = columns() if program.step_s else irregular()
    expected = machine(program, "numpy").run(made)
    dt = np.diff(made["time_s"], prepend=made["time_s"][0])
    rows = np.column_stack([dt, made["soc"], made["current_a"], made["temperature_degc"]])
    answers = subprocess.run(
        [tmp_path / "a"], input=rows.astype("<f4").tobytes(), capture_output=True, check=True
    )
    np.testing.assert_allclose(np.frombuffer(answers.stdout, "<f4"), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_programs_give_equal_text(kind: str) -> None:
    one, two = c_source(KINDS[kind]()), c_source(Program.from_files(KINDS[kind]().to_files()))
    assert one == two
    assert not re.search(r"\b(malloc|calloc|realloc|free)\b", one.source)
    assert KINDS[kind]().digest() in one.source


def test_constants_read_back_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    for value in values[np.isfinite(values)].tolist():
        text = literal(value)
        assert text.endswith("f")
        assert np.float32(text[:-1]) == np.float32(value)
        assert "." in text or "e" in text


def test_the_own_tanh_is_near(gcc: str, tmp_path: Path) -> None:
    one = Program(
        "bend", (Input("x", "1", -1, 1),), (Node("tanh", "y", ("x",)),), {}, Output("y", "1", "y")
    )
    text = c_source(one, "bend")
    written(text, tmp_path)
    main = MAIN.replace("model", "bend").replace("x, sizeof x[0], 3, stdin) == 3",
                                                 "x, sizeof x[0], 1, stdin) == 1")  # fmt: skip
    (tmp_path / "main.c").write_text(main.replace(", x[1], x[2]", ""))
    x = np.linspace(-TANH_LIMIT - 4.0, TANH_LIMIT + 4.0, 400_001, dtype=np.float32)
    sent = np.column_stack([np.zeros_like(x), x]).tobytes()
    errors = {}
    for name, flags in {"own": [], "libm": ["-DBEND_LIBM_TANH"]}.items():
        run = tmp_path / name
        files = [str(tmp_path / "bend.c"), str(tmp_path / "main.c")]
        subprocess.run([gcc, *STRICT, *flags, *files, "-o", str(run), "-lm"], check=True)
        found = subprocess.run([run], input=sent, capture_output=True, check=True).stdout
        errors[name] = np.abs(np.frombuffer(found, "<f4") - np.tanh(x.astype(np.float64)))
    assert errors["own"].max() < 4e-7
    assert errors["libm"].max() < 1.3e-7
    assert not np.array_equal(errors["own"], errors["libm"])


def test_fast_math_is_refused(gcc: str, tmp_path: Path) -> None:
    file = written(c_source(lstm()), tmp_path)
    command = [gcc, "-std=c99", "-ffast-math", "-c", str(file), "-o", str(tmp_path / "a.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "NaN must stay NaN" in done.stderr


def test_inputs_named_like_keywords_compile(gcc: str, tmp_path: Path) -> None:
    inputs = tuple(Input(name, "1", 0, 1) for name in ("float", "self", "dt_s", "out", "n"))
    nodes = (Node("add", "int", tuple(i.name for i in inputs)),)
    program = Program("words", inputs, nodes, {}, Output("y", "1", "int"))
    file = written(c_source(program, "words"), tmp_path)
    subprocess.run([gcc, *STRICT, "-c", str(file), "-o", str(tmp_path / "a.o")], check=True)


def test_names_and_layouts_that_cannot_be() -> None:
    for name in ("", "2x", "a b", "int", "größe"):
        with pytest.raises(InputError, match="C identifier"):
            c_source(filter_fnn(), name)
    with pytest.raises(InputError, match="column or row"):
        c_source(filter_fnn(), "model", "block")  # type: ignore[arg-type]
