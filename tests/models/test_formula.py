"""The formula language: right values, no way out of it, errors that name the place."""

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import InputError
from evitals.models.formula import FUNCTIONS, MAX_CHARS, MAX_DEPTH, OPERATIONS, parse

COLUMNS = {"current_a": np.array([-2.0, 0.0, 3.0]), "soc": np.array([0.2, 0.5, 0.9])}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("2 ** 3 ** 2", 512.0),
        ("-2 ** 2", -4.0),
        ("2 ** -1 * 4", 2.0),
        ("-(1 - 3) * .5e1", 10.0),
        ("8 / 4 / 2", 1.0),
        ("7 - 2 - 1", 4.0),
        ("1 < 2", 1.0),
        ("(2 < 1) == (3 < 1)", 1.0),
        ("1 + 1 != 2", 0.0),
        ("min(3, 2, 5) + max(1, 4)", 6.0),
        ("abs(-3) + sqrt(9) + exp(0) + log(1) + asinh(0) + tanh(0)", 7.0),
        ("clip(5, 0, 2) + clip(-5, 0, 2)", 2.0),
        ("where(2 > 1, 10, 20) + where(0, 1, 2)", 12.0),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert parse(text).evaluate(COLUMNS).tolist() == [expected] * 3


def test_columns_sample_by_sample() -> None:
    formula = parse("where(current_a < 0, asinh(current_a / 0.5), soc)")
    assert formula.columns == ("current_a", "soc")
    assert formula.evaluate(COLUMNS) == pytest.approx([math.asinh(-4.0), 0.5, 0.9])
    assert float(formula.evaluate({"current_a": -2.0, "soc": 0.2})) == pytest.approx(-2.0947125)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Texts that mean the same in Python."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(["x", "y", "1", "2.5", "0.3", "4e-1"]))
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    kind = draw(st.sampled_from(["+", "-", "*", "/", "**", "neg", "paren", "<", "abs", "max"]))
    match kind:
        case "neg":
            return f"-{left}"
        case "paren":
            return f"({left})"
        case "abs":
            return f"abs({left})"
        case "max":
            return f"max({left}, {right})"
        case "<":
            return f"({left} < {right})"
        case _:
            return f"{left} {kind} {right}"


@settings(deadline=None, max_examples=200)
@given(expressions())
def test_means_what_python_means(text: str) -> None:
    names = {"x": 1.7, "y": 0.4, "abs": abs, "max": max, "__builtins__": {}}
    try:
        expected = eval(text, names)
    except (ZeroDivisionError, OverflowError):
        expected = math.nan
    if isinstance(expected, complex) or not math.isfinite(expected):
        return
    value = float(parse(text).evaluate({"x": 1.7, "y": 0.4}))
    assert value == pytest.approx(float(expected), rel=1e-9, abs=1e-300)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.text("ax12.()+-*<=,_ [e'"))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    with suppress(InputError):
        todo = [parse(text).tree]
        while todo:
            node = todo.pop()
            assert node.op in {"number", "column", *OPERATIONS}
            todo += node.args


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "soc.__class__",
        "soc[0]",
        "(lambda: 1)()",
        "[x for x in soc]",
        "exec(soc)",
        "eval(soc)",
        "getattr(soc, soc)",
        "soc := 1",
        "soc; soc",
        "f'{soc}'",
        "soc if soc else soc",
        "soc and soc",
        "1_000",
        "0x10",
        "1j",
        "ｓoc",
        "soc\x00",
        "",
        "()",
        "min(soc)",
        "clip(soc, 1)",
        "sqrt",
        "soc soc",
        "(soc",
        "soc)",
        "1 < 2 < 3",
        "1e999",
        "soc + ",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"at character \d+"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["(" * 400 + "1", "-" * 499 + "1", "1" + "**2" * 160, "1" + "+1" * 240, "abs(" * 120]
)
def test_size_and_depth_are_bounded(text: str) -> None:
    with pytest.raises(InputError, match=f"deeper than {MAX_DEPTH}"):
        parse(text)


def test_length_and_parts_are_bounded() -> None:
    with pytest.raises(InputError, match="at most 500"):
        parse("1" * (MAX_CHARS + 1))
    with pytest.raises(InputError, match="at most 200 parts"):
        parse("max(" + ",".join(["max(" + ",".join(["max(1,1,1,1,1,1,1,1)"] * 8) + ")"] * 2) + ","
              + "max(" + ",".join(["max(1,1,1,1,1,1,1,1)"] * 6) + "))")  # fmt: skip


def test_errors_name_place_and_nearest() -> None:
    with pytest.raises(InputError, match=r"'sqr' is no function.*did you mean sqrt") as caught:
        parse("1 + sqr(soc)")
    assert "character 5" in str(caught.value)
    with pytest.raises(InputError, match=r"'current_b' at character 3.*mean current_a"):
        parse("2*current_b").evaluate(COLUMNS)


def test_no_finite_number_names_the_row() -> None:
    with pytest.raises(InputError, match=r"2 samples, first in row 0 \(current_a = -2\)"):
        parse("log(current_a)").evaluate(COLUMNS)
    with pytest.raises(InputError, match="1 samples, first in row 1"):
        parse("1 / current_a").evaluate(COLUMNS)
    guarded = parse("where(current_a > 0, log(max(current_a, 1)), 0)")
    assert guarded.evaluate(COLUMNS) == pytest.approx([0.0, 0.0, math.log(3.0)])


def test_the_unknown_is_not_false() -> None:
    with pytest.raises(InputError, match="no finite number"):
        parse("where(log(current_a) < 0, 1, 2)").evaluate(COLUMNS)


def test_every_function_is_callable() -> None:
    for name, (fewest, most) in FUNCTIONS.items():
        for count in {fewest, most}:
            text = f"{name}({','.join(['0.5'] * count)})"
            assert np.isfinite(parse(text).evaluate(COLUMNS)).all()
