"""A program as C99 text: no malloc, float32 only, no library call but expm1f, asinhf and fabsf.

It compiles without a warning under -Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion
-Wshadow, and equal programs give equal text. tanh is an own rational function (error below 4e-7
everywhere); ``-DNAME_LIBM_TANH`` takes the library's. -ffast-math is refused: NaN must stay NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.program.machine import Status
from evitals.estimators.program.program import (
    INPUT_LIMIT,
    OUTPUT_LIMIT,
    STEP_TOLERANCE,
    Node,
    Program,
)

Layout = Literal["column", "row"]
STATUS: tuple[Status, ...] = ("ok", "input_unknown", "step_refused", "diverged")
"""The names of the status codes 0, 1, 2, 3."""
KEYWORDS = frozenset((
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
    "union", "unsigned", "void", "volatile", "while", "self", "dt_s",
))  # fmt: skip

# tanh(x) = x P(x^2) / Q(x^2) on [-8, 8], where float32's tanh becomes one. Least squares of the
# relative error, reweighted towards its peaks (C. Lawson's algorithm, 1961), rounded to float32.
TANH_LIMIT = 8.0
TANH_P = (1.0, 0.129792333, 0.00298587303, 9.87875956e-06, -1.47045141e-08, 2.3509349e-11)
TANH_Q = (1.0, 0.463125497, 0.0240279697, 0.00023720476)


@dataclass(frozen=True, slots=True)
class CSource:
    """One program's C: ``declarations`` for the header, ``definitions`` for the file beside it."""

    name: str
    declarations: str
    definitions: str

    @property
    def header(self) -> str:
        """The text of ``NAME.h``."""
        guard = f"{self.name.upper()}_H"
        return (
            f"#ifndef {guard}\n#define {guard}\n\n#include <stddef.h>\n\n"
            f'#ifdef __cplusplus\nextern "C" {{\n#endif\n\n{self.declarations}\n'
            f"#ifdef __cplusplus\n}}\n#endif\n\n#endif\n"
        )

    @property
    def source(self) -> str:
        """The text of ``NAME.c``."""
        return f'#include "{self.name}.h"\n{self.definitions}'


def c_source(program: Program, name: str = "model", layout: Layout = "column") -> CSource:
    """The C of a program. ``name`` (a C identifier) leads every public name.

    ``layout``: weights by ``column`` (vectorised by compilers for large processors) or by ``row``
    (fewer stores on small ones). Raises InputError for a name or layout that cannot be.
    """
    if not (name.isidentifier() and name.isascii() and name not in KEYWORDS):
        raise InputError("name", name, "is no C identifier", "give letters, digits and _")
    if layout not in ("column", "row"):
        raise InputError("layout", layout, "is unknown", "give column or row")
    text = _Text(program, name, layout)
    return CSource(name, text.declarations(), text.definitions())


def literal(value: float) -> str:
    """A float32 constant that reads back as the same bits."""
    text = f"{float(np.float32(value)):.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


class _Text:
    """The text of one program while it is written. Own names hold an upper-case letter, names of
    the program none, so they never meet."""

    def __init__(self, program: Program, name: str, layout: Layout) -> None:
        self.program, self.name, self.layout = program, name, layout
        self.tables: dict[str, str] = {}
        self.helpers: set[str] = set()
        self.lines: list[str] = []
        self.located: dict[tuple[str, str], str] = {}
        self.offsets, start = {}, 0
        for state, width in program.states.items():
            self.offsets[state] = start
            start += width
        self.gains = {
            n.out: self._gains_before(k) for k, n in enumerate(program.nodes) if n.op == "ema"
        }

    def _gains_before(self, k: int) -> int:
        before = self.program.nodes[:k]
        return sum(self.program.widths[n.out] for n in before if n.op == "ema")

    def declarations(self) -> str:
        """Constants, the struct and the functions; no preprocessor but plain #define."""
        name, program = self.name, self.program
        gains = self._gains_before(len(program.nodes))
        codes = "".join(f"#define {name.upper()}_{s.upper()} {k}\n" for k, s in enumerate(STATUS))
        return f"""{codes}#define {name.upper()}_STATE_SIZE {program.state_size + 1}

typedef struct {{
    float state[{max(program.state_size, 1)}];
    float unknown_s;
    float gain_dt_s;
    float gain[{max(gains, 1)}];
    int status;
}} {name}_t;

void {name}_init({name}_t *self);
void {name}_reset({name}_t *self);
float {self._step_head()};
void {self._run_head()};
void {name}_get_state(const {name}_t *self, float *out);
void {name}_set_state({name}_t *self, const float *in);
const char *{name}_digest(void);
"""

    def _parameters(self) -> list[str]:
        names = [i.name for i in self.program.inputs]
        return [f"{n}_" if n in KEYWORDS else n for n in names]

    def _step_head(self) -> str:
        inputs = ", ".join(f"float {n}" for n in self._parameters())
        return f"{self.name}_step({self.name}_t *self, float dt_s, {inputs})"

    def _run_head(self) -> str:
        return (
            f"{self.name}_run({self.name}_t *self, size_t n, const float *dt_s, "
            "const float *inputs, float *out)"
        )

    def definitions(self) -> str:
        """Tables, helpers and functions."""
        body = self._body()
        helpers = "".join(text for key, text in _HELPERS.items() if key in self.helpers)
        helpers = helpers.replace("NAME_LIBM", f"{self.name.upper()}_LIBM")
        helpers = helpers.replace("NAME", self.name)
        return (
            f"/* Program {self.program.kind}, digest {self.program.digest()}. Generated. */\n"
            "#include <math.h>\n#include <stddef.h>\n\n"
            "#ifdef __FAST_MATH__\n#error NaN must stay NaN: compile without -ffast-math\n#endif\n"
            f"{''.join(self.tables.values())}\n{helpers}"
            f"{self._around()}\n{body}\n{self._run()}"
        )

    def _around(self) -> str:
        """All but step and run."""
        name, size = self.name, self.program.state_size
        gains = self._gains_before(len(self.program.nodes))
        fill = f"for (int J = 0; J < {max(size, 1)}; J++) {{ self->state[J] = 0.0f; }}"
        get = f"for (int J = 0; J < {size}; J++) {{ out[J] = self->state[J]; }}" if size else ""
        put = f"for (int J = 0; J < {size}; J++) {{ self->state[J] = in[J]; }}" if size else ""
        return f"""
void {name}_reset({name}_t *self)
{{
    {fill}
    self->unknown_s = 0.0f;
    self->status = 0;
}}

void {name}_init({name}_t *self)
{{
    {name}_reset(self);
    self->gain_dt_s = -1.0f;
    for (int J = 0; J < {max(gains, 1)}; J++) {{ self->gain[J] = 0.0f; }}
}}

void {name}_get_state(const {name}_t *self, float *out)
{{
    {get}
    out[{size}] = self->unknown_s;
}}

void {name}_set_state({name}_t *self, const float *in)
{{
    {put}
    self->unknown_s = in[{size}];
    self->status = 0;
}}

const char *{name}_digest(void)
{{
    return "{self.program.digest()}";
}}
"""

    def _body(self) -> str:
        for node in self.program.nodes:
            self.lines.append(f"/* {node.op} {node.out} */")
            _EMITTERS[node.op](self, node)
        gains = "\n    ".join(self._gain_lines())
        inside = "\n    ".join(self.lines)
        return f"""float {self._step_head()}
{{
    {self._checks()}
    const float DT = dt_s + self->unknown_s;
    {gains}
    {inside}
    self->unknown_s = 0.0f;
    if (!(fabsf(V_{self.program.output.value}[0]) < {literal(OUTPUT_LIMIT)})) {{
        {self.name}_reset(self);
        self->status = 3;
        return NAN;
    }}
    self->status = 0;
    return V_{self.program.output.value}[0];
}}
"""

    def _checks(self) -> str:
        limit, step = literal(INPUT_LIMIT), self.program.step_s
        refused = f"!(dt_s >= 0.0f && dt_s < {limit})"
        if step is not None:
            tolerance = literal(STEP_TOLERANCE * step * (1.0 + 1e-6))
            refused += f" || (dt_s > 0.0f && !(fabsf(dt_s - {literal(step)}) <= {tolerance}))"
        known = " && ".join(f"fabsf({n}) < {limit}" for n in self._parameters())
        values = "\n    ".join(
            f"const float V_{i.name}[1] = {{{n}}};"
            for i, n in zip(self.program.inputs, self._parameters(), strict=True)
            if any(i.name in node.args for node in self.program.nodes)
        )
        return f"""if ({refused}) {{
        self->status = 2;
        return NAN;
    }}
    if (!({known})) {{
        self->unknown_s += dt_s;
        self->status = 1;
        return NAN;
    }}
    {values}"""

    def _gain_lines(self) -> list[str]:
        """Gains of the filters, computed again only where the step time changes."""
        if not self.gains:
            return [] if any(n.op == "hysteresis" for n in self.program.nodes) else ["(void)DT;"]
        lines = ["if (!(fabsf(DT - self->gain_dt_s) <= 0.0f)) {", "    self->gain_dt_s = DT;"]
        for node in (n for n in self.program.nodes if n.op == "ema"):
            tau, width = self.array(node, 0), self.program.widths[node.out]
            lines.append(
                f"    for (int J = 0; J < {width}; J++) "
                f"{{ self->gain[{self.gains[node.out]} + J] = -expm1f(-DT / {tau}[J]); }}"
            )
        return [*lines, "}"]

    def _run(self) -> str:
        count = len(self.program.inputs)
        row = ", ".join(f"inputs[{count}U * K + {k}U]" for k in range(count))
        return f"""void {self._run_head()}
{{
    for (size_t K = 0U; K < n; K++) {{
        out[K] = {self.name}_step(self, dt_s[K], {row});
    }}
}}
"""

    def add(self, *lines: str) -> None:
        self.lines += lines

    def value(self, node: Node) -> str:
        """Declares a node's value and names it."""
        self.add(f"float V_{node.out}[{self.width(node)}];")
        return f"V_{node.out}"

    def kept(self, node: Node, part: str = "") -> str:
        """A pointer to a state; the state "" is the node's value."""
        name = f"{node.out}.{part}" if part else node.out
        own = f"V_{node.out}" + (f"_{part.upper()}" if part else "")
        self.add(f"float *const {own} = &self->state[{self.offsets[name]}];")
        return own

    def width(self, node: Node) -> int:
        return self.program.widths[node.out]

    def args(self, node: Node) -> list[tuple[str, int]]:
        return [(f"V_{name}", self.program.widths[name]) for name in node.args]

    def array(self, node: Node, k: int, layout: Layout = "row") -> str:
        """A node's array as a constant of the C text; by column it is written transposed."""
        values = self.program.arrays[node.arrays[k]]
        suffix = "_T" if layout == "column" else ""
        name = f"A_{node.arrays[k]}{suffix}"
        if name not in self.tables:
            self.tables[name] = _constant(name, values.T if layout == "column" else values)
        return name

    def matrix(self, node: Node, k: int, x: tuple[str, int], out: str, rows: int) -> None:
        """out[J] += W[J][K] x[K], in the layout that was asked for."""
        layout: Layout = "row" if rows == 1 else self.layout
        w = self.array(node, k, layout)
        if layout == "column":
            inner = f"for (int J = 0; J < {rows}; J++) {{ {out}[J] += {w}[K][J] * {x[0]}[K]; }}"
            self.add(f"for (int K = 0; K < {x[1]}; K++) {{", f"    {inner}", "}")
        else:
            self.add(
                f"for (int J = 0; J < {rows}; J++) {{",
                "    float S = 0.0f;",
                f"    for (int K = 0; K < {x[1]}; K++) {{ S += {w}[J][K] * {x[0]}[K]; }}",
                f"    {out}[J] += S;",
                "}",
            )

    def each(self, count: int, line: str) -> None:
        self.add(f"for (int J = 0; J < {count}; J++) {{ {line} }}")

    def place(self, node: Node, k: int) -> str:
        """Where argument k lies among its knots: declares L_n (piece) and F_n (part of it)."""
        x, knots = node.args[k], self.array(node, k)
        if (x, knots) not in self.located:
            self.helpers.add("locate")
            own = self.located[x, knots] = str(len(self.located))
            count = self.program.arrays[node.arrays[k]].size
            self.add(
                f"float F_{own};",
                f"const int L_{own} = {self.name}_locate({knots}, {count}, V_{x}[0], &F_{own});",
            )
        return self.located[x, knots]


def _constant(name: str, values: NDArray[np.float32]) -> str:
    sizes = "".join(f"[{n}]" for n in values.shape)
    return f"\nstatic const float {name}{sizes} = {_braced(values)};\n"


def _braced(values: NDArray[np.float32]) -> str:
    if values.ndim > 1:
        return "{\n" + ",\n".join(_braced(part) for part in values) + "}"
    texts = [literal(x) for x in values.tolist()]
    rows = [", ".join(texts[k : k + 8]) for k in range(0, len(texts), 8)]
    return "{" + ",\n ".join(rows) + "}"


def _horner(coefficients: Sequence[float]) -> str:
    text = literal(coefficients[-1])
    for c in coefficients[-2::-1]:
        text = f"({text} * U + {literal(c)})"
    return text


_HELPERS = {
    "tanh": f"""
static inline float NAME_tanh(float X)
{{
#ifdef NAME_LIBM_TANH
    return tanhf(X);
#else
    const float LOW = X < -{literal(TANH_LIMIT)} ? -{literal(TANH_LIMIT)} : X;
    const float Y = LOW > {literal(TANH_LIMIT)} ? {literal(TANH_LIMIT)} : LOW;
    const float U = Y * Y;
    const float P = {_horner(TANH_P)};
    const float Q = {_horner(TANH_Q)};
    return Y * P / Q;
#endif
}}
""",
    "sigmoid": """
static inline float NAME_sigmoid(float X)
{
    return 0.5f + 0.5f * NAME_tanh(0.5f * X);
}
""",
    "locate": """
static int NAME_locate(const float *KNOTS, int COUNT, float X, float *PART)
{
    int LOW = 0;
    int HIGH = COUNT - 1;
    while (HIGH - LOW > 1) {
        const int MIDDLE = (LOW + HIGH) / 2;
        if (KNOTS[MIDDLE] <= X) { LOW = MIDDLE; } else { HIGH = MIDDLE; }
    }
    const float F = (X - KNOTS[LOW]) / (KNOTS[LOW + 1] - KNOTS[LOW]);
    *PART = F < 0.0f ? 0.0f : (F > 1.0f ? 1.0f : F);
    return LOW;
}
""",
}


def _pack(c: _Text, node: Node) -> None:
    out, start = c.value(node), 0
    for x, width in c.args(node):
        c.each(width, f"{out}[{start} + J] = {x}[J];")
        start += width


def _affine(c: _Text, node: Node) -> None:
    out, ((x, _),) = c.value(node), c.args(node)
    scale, offset = c.array(node, 0), c.array(node, 1)
    c.each(c.width(node), f"{out}[J] = {x}[J] * {scale}[J] + {offset}[J];")


def _asinh(c: _Text, node: Node) -> None:
    out, ((x, _),) = c.value(node), c.args(node)
    c.each(c.width(node), f"{out}[J] = asinhf({x}[J] / {literal(node.numbers['scale'])});")


def _relu(c: _Text, node: Node) -> None:
    out, ((x, _),) = c.value(node), c.args(node)
    c.each(c.width(node), f"{out}[J] = {x}[J] > 0.0f ? {x}[J] : 0.0f;")


def _tanh(c: _Text, node: Node) -> None:
    c.helpers.add("tanh")
    out, ((x, _),) = c.value(node), c.args(node)
    c.each(c.width(node), f"{out}[J] = {c.name}_tanh({x}[J]);")


def _joined(sign: str) -> Callable[[_Text, Node], None]:
    def emit(c: _Text, node: Node) -> None:
        out = c.value(node)
        parts = [f"{x}[{'0' if width == 1 else 'J'}]" for x, width in c.args(node)]
        c.each(c.width(node), f"{out}[J] = {f' {sign} '.join(parts)};")

    return emit


def _sum(c: _Text, node: Node) -> None:
    out, ((x, width),) = c.value(node), c.args(node)
    c.add(f"{out}[0] = 0.0f;")
    c.each(width, f"{out}[0] += {x}[J];")


def _ema(c: _Text, node: Node) -> None:
    ((x, width),), start = c.args(node), c.gains[node.out]
    y, now = c.kept(node), f"{x}[{'0' if width == 1 else 'J'}]"
    c.each(c.width(node), f"{y}[J] += self->gain[{start} + J] * ({now} - {y}[J]);")


def _hysteresis(c: _Text, node: Node) -> None:
    ((x, _),), h, rate = c.args(node), c.kept(node), literal(node.numbers["rate"])
    sign = f"({x}[0] > 0.0f ? 1.0f : ({x}[0] < 0.0f ? -1.0f : 0.0f))"
    c.add(f"{h}[0] -= expm1f(-{rate} * DT * fabsf({x}[0])) * ({sign} - {h}[0]);")


def _dense(c: _Text, node: Node) -> None:
    out, (x,) = c.value(node), c.args(node)
    c.each(c.width(node), f"{out}[J] = {c.array(node, 1)}[J];")
    c.matrix(node, 0, x, out, c.width(node))


def _lstm(c: _Text, node: Node) -> None:
    c.helpers |= {"tanh", "sigmoid"}
    n, (x,), z = c.width(node), c.args(node), f"Z_{node.out}"
    h, state = c.kept(node), c.kept(node, "cell")
    c.add(f"float {z}[{4 * n}];")
    c.each(4 * n, f"{z}[J] = {c.array(node, 2)}[J];")
    c.matrix(node, 0, x, z, 4 * n)
    c.matrix(node, 1, (h, n), z, 4 * n)
    c.add(
        f"for (int J = 0; J < {n}; J++) {{",
        f"    const float I = {c.name}_sigmoid({z}[J]);",
        f"    const float F = {c.name}_sigmoid({z}[{n} + J]);",
        f"    const float G = {c.name}_tanh({z}[{2 * n} + J]);",
        f"    const float O = {c.name}_sigmoid({z}[{3 * n} + J]);",
        f"    {state}[J] = F * {state}[J] + I * G;",
        f"    {h}[J] = O * {c.name}_tanh({state}[J]);",
        "}",
    )


def _gru(c: _Text, node: Node) -> None:
    c.helpers |= {"tanh", "sigmoid"}
    n, (x,), z, own = c.width(node), c.args(node), f"Z_{node.out}", f"Y_{node.out}"
    h = c.kept(node)
    c.add(f"float {z}[{3 * n}];", f"float {own}[{3 * n}];")
    c.each(3 * n, f"{z}[J] = {c.array(node, 2)}[J];")
    c.each(3 * n, f"{own}[J] = {c.array(node, 3)}[J];")
    c.matrix(node, 0, x, z, 3 * n)
    c.matrix(node, 1, (h, n), own, 3 * n)
    c.add(
        f"for (int J = 0; J < {n}; J++) {{",
        f"    const float R = {c.name}_sigmoid({z}[J] + {own}[J]);",
        f"    const float G = {c.name}_sigmoid({z}[{n} + J] + {own}[{n} + J]);",
        f"    const float N = {c.name}_tanh({z}[{2 * n} + J] + R * {own}[{2 * n} + J]);",
        f"    {h}[J] = N + G * ({h}[J] - N);",
        "}",
    )


def _table1d(c: _Text, node: Node) -> None:
    k, out, v = c.place(node, 0), c.value(node), c.array(node, 1)
    c.each(
        c.width(node),
        f"{out}[J] = (1.0f - F_{k}) * {v}[L_{k}][J] + F_{k} * {v}[L_{k} + 1][J];",
    )


def _table2d(c: _Text, node: Node) -> None:
    i, j, out, v = c.place(node, 0), c.place(node, 1), c.value(node), c.array(node, 2)
    c.add(f"for (int J = 0; J < {c.width(node)}; J++) {{")
    for name, row in (("LOW", f"L_{i}"), ("HIGH", f"L_{i} + 1")):
        c.add(
            f"    const float {name} = (1.0f - F_{j}) * {v}[{row}][L_{j}][J] "
            f"+ F_{j} * {v}[{row}][L_{j} + 1][J];"
        )
    c.add(f"    {out}[J] = (1.0f - F_{i}) * LOW + F_{i} * HIGH;", "}")


_EMITTERS: dict[str, Callable[[_Text, Node], None]] = {
    "pack": _pack,
    "affine": _affine,
    "asinh": _asinh,
    "relu": _relu,
    "tanh": _tanh,
    "product": _joined("*"),
    "add": _joined("+"),
    "sum": _sum,
    "ema": _ema,
    "hysteresis": _hysteresis,
    "dense": _dense,
    "lstm": _lstm,
    "gru": _gru,
    "table1d": _table1d,
    "table2d": _table2d,
}
