"""Formula columns: arithmetic over columns in a small language of its own.

``0.5 * (voltage_v - 3.7) ** 2``, ``where(current_a < 0, asinh(current_a / 0.5), 0)``. There are
numbers, names of columns, ``+ - * / **``, comparisons (1 or 0), and the functions of FUNCTIONS;
nothing else can be written down, so nothing else can run. Text, size and depth are bounded. The
tree is plain data: an emitter may turn it into another language.

Grammar (Pratt 1973, "Top down operator precedence")::

    value  := number | name | name "(" value {"," value} ")" | "(" value ")" | "-" value
            | value ("**" | "*" | "/" | "+" | "-" | comparison) value
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError, shorten

Array = NDArray[np.float64]

MAX_CHARS = 500
MAX_NODES = 200
MAX_DEPTH = 64

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>\*\*|<=|>=|==|!=|[-+*/<>(),])",
    re.ASCII,
)
_BINDS = {"<": 1, "<=": 1, ">": 1, ">=": 1, "==": 1, "!=": 1, "+": 2, "-": 2, "*": 3, "/": 3}
_NEGATE, _POWER = 4, 5


class Node(Struct, frozen=True, omit_defaults=True):
    """A number (``op`` "number"), a column ("column"), or an operation on other nodes."""

    op: str
    args: "tuple[Node, ...]" = ()
    number: float = 0.0
    name: str = ""


def _compared(compare: Callable[[Array, Array], Any]) -> Callable[[Array, Array], Array]:
    def run(left: Array, right: Array) -> Array:
        out = np.asarray(compare(left, right)).astype(np.float64)
        # A comparison with what is unknown is unknown, not false.
        return np.where(np.isnan(left) | np.isnan(right), np.nan, out)

    return run


def _where(condition: Array, yes: Array, no: Array) -> Array:
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0.0, yes, no))


OPERATIONS: dict[str, Callable[..., Array]] = {
    "negate": np.negative,
    "**": np.power,
    "*": np.multiply,
    "/": np.divide,
    "+": np.add,
    "-": np.subtract,
    "<": _compared(np.less),
    "<=": _compared(np.less_equal),
    ">": _compared(np.greater),
    ">=": _compared(np.greater_equal),
    "==": _compared(np.equal),
    "!=": _compared(np.not_equal),
    "min": lambda *parts: reduce(np.minimum, parts),
    "max": lambda *parts: reduce(np.maximum, parts),
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "asinh": np.arcsinh,
    "tanh": np.tanh,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "where": _where,
}
FUNCTIONS = {
    **dict.fromkeys(("abs", "exp", "log", "sqrt", "asinh", "tanh"), (1, 1)),
    **dict.fromkeys(("min", "max"), (2, 8)),
    **dict.fromkeys(("clip", "where"), (3, 3)),
}
"""Functions by name: the fewest and most arguments. ``log`` is natural, ``clip(x, low, high)``,
``where(condition, yes, no)``."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula: its text, its tree, and the columns it reads in order of appearance."""

    text: str
    tree: Node
    columns: tuple[str, ...]

    def evaluate(self, columns: Mapping[str, ArrayLike]) -> Array:
        """The formula's value a sample, shape (n,) as the columns'.

        Raises InputError where a column is absent (the nearest is named), and where a result is
        not a finite number: the first such row and what its columns held there.
        """
        check_columns(self, columns)
        read = {name: np.asarray(columns[name], dtype=np.float64) for name in self.columns}
        shape = np.broadcast_shapes(*(a.shape for a in map(np.asarray, columns.values())))
        with np.errstate(all="ignore"):  # what is not finite is refused below, by row
            value = np.broadcast_to(_value(self.tree, read), shape).astype(np.float64)
        bad = ~np.isfinite(value)
        if bad.any():
            row = int(np.argmax(bad.ravel()))
            held = {n: float(np.broadcast_to(a, shape).ravel()[row]) for n, a in read.items()}
            where = ", ".join(f"{name} = {number:.6g}" for name, number in held.items())
            raise _refused(
                self.text,
                f"gives no finite number in {int(bad.sum())} samples, first in row {row} ({where})",
                "bound its arguments with clip, max or where",
                "not_finite",
            )
        return value


def parse(text: str) -> Formula:
    """The formula that ``text`` says. Raises InputError naming the place of what is wrong."""
    if len(text) > MAX_CHARS:
        raise _refused(
            text, f"has {len(text)} characters", f"use at most {MAX_CHARS}: split it", "too_long"
        )
    parser = _Parser(text)
    tree = parser.value(0, 0)
    parser.end()
    return Formula(text, tree, tuple(dict.fromkeys(_names(tree))))


def check_columns(formula: Formula, known: Iterable[str]) -> None:
    """Raises InputError for the first column of ``formula`` that is not among ``known``."""
    names = list(known)
    for name in formula.columns:
        if name not in names:
            found = re.search(rf"\b{name}\b", formula.text)
            at = f" at character {found.start() + 1}" if found else ""
            raise _refused(
                formula.text,
                f"reads {name!r}{at}, which is no column",
                f"{_near(name, names)}columns: {', '.join(names) or 'none'}",
                "unknown_column",
            )


def _value(node: Node, columns: Mapping[str, Array]) -> Array:
    if node.op == "number":
        return np.asarray(node.number)
    if node.op == "column":
        return columns[node.name]
    return OPERATIONS[node.op](*(_value(arg, columns) for arg in node.args))


def _names(node: Node) -> Iterator[str]:
    if node.op == "column":
        yield node.name
    for arg in node.args:
        yield from _names(arg)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}? " if near else ""


def _refused(text: str, problem: str, remedy: str, reason: str) -> InputError:
    return InputError("formula", text, problem, remedy, reason=f"formula_{reason}")


class _Parser:
    """Reads tokens left to right; every node made is counted, every level too."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.index = 0
        self.nodes = 0

    def _tokens(self) -> Iterator[_Token]:
        at = 0
        while at < len(self.text):
            if self.text[at] in " \t\n":
                at += 1
                continue
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise self._wrong(_Token("", self.text[at], at), "is not part of the language")
            yield _Token(str(match.lastgroup), match.group(), at)
            at = match.end()
        yield _Token("end", "", len(self.text))

    def value(self, binds: int, depth: int) -> Node:
        """A value that takes every operator binding tighter than ``binds``."""
        self._deeper(self.tokens[self.index], depth)
        left, height, compared = self._prefix(depth), depth, False
        while True:
            token = self.tokens[self.index]
            power = _POWER if token.text == "**" else _BINDS.get(token.text, 0)
            if power <= binds:
                return left
            if power == 1 and compared:
                raise self._wrong(token, "chains comparisons", "put parentheses around one")
            compared = power == 1
            self.index += 1
            height += 1
            # ** is right-associative and takes a sign on its right, as in mathematics.
            right = self.value(_NEGATE - 1 if power == _POWER else power, height + 1)
            left = self._node(token, height, token.text, (left, right))

    def _prefix(self, depth: int) -> Node:
        token = self._take()
        if token.kind == "number":
            return self._node(token, depth, "number", number=float(token.text))
        if token.kind == "name":
            if self.tokens[self.index].text == "(":
                return self._call(token, depth)
            if token.text in FUNCTIONS:
                raise self._wrong(token, "is a function", f"write {token.text}(...)")
            return self._node(token, depth, "column", name=token.text)
        if token.text == "(":
            inner = self.value(0, self._deeper(token, depth))
            self._expect(")")
            return inner
        if token.text == "-":
            return self._node(token, depth, "negate", (self.value(_NEGATE, depth + 1),))
        raise self._wrong(token, "stands where a value is needed")

    def _call(self, name: _Token, depth: int) -> Node:
        if name.text not in FUNCTIONS:
            raise self._wrong(
                name,
                "is no function",
                f"{_near(name.text, FUNCTIONS)}functions: {', '.join(sorted(FUNCTIONS))}",
            )
        self._expect("(")
        inner = self._deeper(name, depth)
        args = [self.value(0, inner)]
        while self.tokens[self.index].text == ",":
            self.index += 1
            args.append(self.value(0, inner))
        self._expect(")")
        fewest, most = FUNCTIONS[name.text]
        if not fewest <= len(args) <= most:
            needs = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise self._wrong(name, f"has {len(args)} arguments", f"give it {needs}")
        return self._node(name, depth, name.text, tuple(args))

    def end(self) -> None:
        token = self.tokens[self.index]
        if token.kind != "end":
            raise self._wrong(token, "follows a complete value", "join them with an operator")

    def _take(self) -> _Token:
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def _expect(self, text: str) -> None:
        token = self._take()
        if token.text != text:
            raise self._wrong(token, f"stands where {text!r} is needed", "close what was opened")

    def _deeper(self, token: _Token, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self._wrong(token, f"is nested deeper than {MAX_DEPTH}", "split the formula")
        return depth + 1

    def _node(
        self,
        token: _Token,
        depth: int,
        op: str,
        args: tuple[Node, ...] = (),
        number: float = 0.0,
        name: str = "",
    ) -> Node:
        self._deeper(token, depth)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._wrong(token, f"is part {self.nodes}", f"use at most {MAX_NODES} parts")
        if not np.isfinite(number):
            raise self._wrong(token, "is no finite number", "write a smaller one")
        return Node(op, args, number, name)

    def _wrong(self, token: _Token, problem: str, remedy: str = "") -> InputError:
        what = shorten(token.text, 40) if token.text else "its end"
        return _refused(
            self.text,
            f"at character {token.at + 1}: {what} {problem}",
            remedy or f"use numbers, columns, + - * / **, comparisons, {', '.join(FUNCTIONS)}",
            "syntax",
        )
