"""A Program as an ONNX graph: physical units in, the value out, state in and out.

Inputs are one tensor a signal and ``dt_s``, each (batch, time), and one tensor a state,
``state.NAME`` (batch, width), zero at first. Outputs are ``out.NAME`` (batch, time) and
``state.NAME.next``. Batch and time may have any length; float32 throughout, ONNX opset 17. Scaling
is inside the graph. The graph knows no missing values: leave such rows out and add their ``dt_s``
to the next.

Operators: https://onnx.ai/onnx/operators (Scan-16, LSTM-14, GRU-14).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evitals.errors import MissingExtra, RefusedBundle
from evitals.estimators.program.program import Node, Program

OPSET = 17
IR_VERSION = 8
STATE, NEXT, OUT, DT = "state.", ".next", "out.", "dt_s"
Floats = NDArray[np.float32]


def to_onnx(program: Program) -> bytes:
    """The graph of ``program`` as the bytes of a .onnx file. Raises MissingExtra without onnx."""
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise MissingExtra("onnx") from error
    graph = _Graph(program)
    graph.write()
    float32, rows = TensorProto.FLOAT, ["batch", "time"]

    def tensors(names: list[str], shape: list[Any]) -> list[Any]:
        return [helper.make_tensor_value_info(name, float32, shape) for name in names]

    inputs = tensors([*(signal.name for signal in program.inputs), DT], rows)
    outputs = tensors([OUT + program.output.name], rows)
    for name, width in program.states.items():
        inputs += tensors([STATE + name], ["batch", width])
        outputs += tensors([STATE + name + NEXT], ["batch", width])
    made = helper.make_graph(graph.nodes, program.kind, inputs, outputs, graph.constants)
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="evitals",
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


class Session:
    """A graph run by ONNX Runtime on one thread. Raises MissingExtra without it.

    Raises RefusedBundle (bad_graph) for bytes that are no such graph.
    """

    def __init__(self, graph: bytes) -> None:
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise MissingExtra("onnx") from error
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ORT's errors share no other base.
            raise bad_graph(f"is refused by ONNX Runtime ({error})") from error
        self.inputs = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs = [o.name for o in self._session.get_outputs()]

    def run(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """All outputs by name. ``columns``: every signal and ``dt_s`` (batch, time), and the states
        (batch, width); a state that is left out is zero."""
        batch = columns[DT].shape[0]
        feed = {
            name: np.ascontiguousarray(columns[name], np.float32)
            if name in columns
            else np.zeros((batch, shape[1]), np.float32)
            for name, shape in self.inputs.items()
        }
        try:
            found = self._session.run(None, feed)
        except Exception as error:
            raise bad_graph(f"does not run ({error})") from error
        return dict(zip(self.outputs, found, strict=True))


def plain(graph: bytes) -> None:
    """Check that a graph is itself all there is: no other file, no operators of somebody's own.

    Raises RefusedBundle (bad_graph), MissingExtra without onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx") from error
    try:
        model = onnx.load_model_from_string(graph)
        onnx.checker.check_model(model)
    except Exception as error:  # onnx's and protobuf's errors share no other base.
        raise bad_graph(f"is no ONNX graph ({error})") from error
    tensors = [*model.graph.initializer, *model.graph.sparse_initializer]
    if any(getattr(tensor, "external_data", None) for tensor in tensors):
        raise bad_graph("reads another file")
    if model.functions or any(used.domain not in ("", "ai.onnx") for used in model.opset_import):
        raise bad_graph("has operators of its own")


def bad_graph(problem: str) -> RefusedBundle:
    """A refusal of ``graph.onnx``."""
    return RefusedBundle(
        "bundle", "graph.onnx", problem, "build the bundle again", reason="bad_graph"
    )


class _Graph:
    """Nodes and constants while a graph is written. Values are (batch, time, width)."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.place: dict[str, str] = {}
        self._count = 0

    def write(self) -> None:
        """Signals get a width, nodes follow, the value loses it."""
        for name in [*(signal.name for signal in self.program.inputs), DT]:
            self.place[name] = self.op("Unsqueeze", name, self.ints([2]))
        for node in self.program.nodes:
            self.place[node.out] = _WRITERS[node.op](self, node)
        output = self.program.output
        self.op("Squeeze", self.place[output.value], self.ints([2]), out=OUT + output.name)

    def op(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """One operator with one output; returns its name."""
        return self.ops(kind, *inputs, outs=[out or self.new()], **attributes)[0]

    def ops(self, kind: str, *inputs: str, outs: list[str], **attributes: Any) -> list[str]:
        """One operator; returns the names of its outputs."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), outs, **attributes))
        return outs

    def new(self) -> str:
        self._count += 1
        return f"_{self._count}"

    def floats(self, values: Any) -> str:
        return self._constant(np.asarray(values, np.float32))

    def ints(self, values: Any) -> str:
        return self._constant(np.asarray(values, np.int64))

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"_c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def args(self, node: Node) -> list[str]:
        return [self.place[name] for name in node.args]

    def arrays(self, node: Node) -> list[NDArray[np.float64]]:
        return [self.program.arrays[name].astype(np.float64) for name in node.arrays]

    def one_minus_exp(self, z: str) -> str:
        """1 - exp(-z) = 2 t / (1 + t) with t = tanh(z / 2): exact for small z in float32 too."""
        t = self.op("Tanh", self.op("Mul", z, self.floats(0.5)))
        return self.op("Div", self.op("Add", t, t), self.op("Add", t, self.floats(1.0)))

    def follow(self, target: str, share: str, state: str, width: int) -> str:
        """y += share (target - y), sample after sample, by Scan; keeps the state."""
        from onnx import TensorProto, helper

        def part(name: str) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)

        body = helper.make_graph(
            [
                helper.make_node("Sub", ["x", "y"], ["d"]),
                helper.make_node("Mul", ["a", "d"], ["s"]),
                helper.make_node("Add", ["y", "s"], ["y_next"]),
                helper.make_node("Identity", ["y_next"], ["y_out"]),
            ],
            "follow",
            [part("y"), part("x"), part("a")],
            [part("y_next"), part("y_out")],
        )
        wide = self.op("Expand", target, self.op("Shape", share))
        outs = self.ops(
            "Scan", STATE + state, wide, share,
            outs=[STATE + state + NEXT, self.new()], body=body, num_scan_inputs=2,
            scan_input_axes=[1, 1], scan_output_axes=[1],
        )  # fmt: skip
        # Scan loses the width where shapes are inferred.
        return self.op("Reshape", outs[1], self.ints([0, 0, width]))

    def recurrent(self, kind: str, node: Node, weights: list[NDArray[Any]], **about: Any) -> str:
        """LSTM or GRU: time first, one direction, states (1, batch, width)."""
        width = self.program.widths[node.out]
        names = [n for n in self.program.states if n.partition(".")[0] == node.out]
        x = self.op("Transpose", self.args(node)[0], perm=[1, 0, 2])
        before = [self.op("Unsqueeze", STATE + name, self.ints([0])) for name in names]
        constants = [self.floats(w[None]) for w in weights]
        after = [self.new() for _ in names]
        y, *_ = self.ops(
            kind, x, *constants, "", *before, outs=[self.new(), *after], hidden_size=width, **about
        )
        for name, value in zip(names, after, strict=True):
            self.op("Squeeze", value, self.ints([0]), out=STATE + name + NEXT)
        return self.op("Transpose", self.op("Squeeze", y, self.ints([1])), perm=[1, 0, 2])

    def along(self, x: str, knots: NDArray[Any]) -> str:
        """How far x is between each pair of neighbouring knots, 0 to 1: (batch, time, n - 1)."""
        far = self.op(
            "Div", self.op("Sub", x, self.floats(knots[:-1])), self.floats(np.diff(knots))
        )
        return self.op("Clip", far, self.floats(0.0), self.floats(1.0))

    def hats(self, x: str, knots: NDArray[Any]) -> str:
        """The share of each knot in a linear look-up: (batch, time, n), sums to one."""
        n = len(knots)
        falls = np.zeros((n - 1, n))
        falls[range(n - 1), range(n - 1)], falls[range(n - 1), range(1, n)] = -1.0, 1.0
        moved = self.op("MatMul", self.along(x, knots), self.floats(falls))
        return self.op("Add", moved, self.floats(np.eye(n)[0]))


def _chain(kind: str) -> Callable[[_Graph, Node], str]:
    def write(g: _Graph, node: Node) -> str:
        first, *others = g.args(node)
        for other in others:
            first = g.op(kind, first, other)
        return first if others else g.op("Identity", first)

    return write


def _pack(g: _Graph, node: Node) -> str:
    return g.op("Concat", *g.args(node), axis=2)


def _affine(g: _Graph, node: Node) -> str:
    scale, offset = g.arrays(node)
    return g.op("Add", g.op("Mul", g.args(node)[0], g.floats(scale)), g.floats(offset))


def _asinh(g: _Graph, node: Node) -> str:
    return g.op("Asinh", g.op("Mul", g.args(node)[0], g.floats(1.0 / node.numbers["scale"])))


def _plain(kind: str) -> Callable[[_Graph, Node], str]:
    return lambda g, node: g.op(kind, g.args(node)[0])


def _sum(g: _Graph, node: Node) -> str:
    return g.op("ReduceSum", g.args(node)[0], g.ints([2]), keepdims=1)


def _ema(g: _Graph, node: Node) -> str:
    (tau_s,) = g.arrays(node)
    share = g.one_minus_exp(g.op("Mul", g.place[DT], g.floats(1.0 / tau_s)))
    return g.follow(g.args(node)[0], share, node.out, len(tau_s))


def _hysteresis(g: _Graph, node: Node) -> str:
    (current,) = g.args(node)
    charge = g.op("Mul", g.op("Abs", current), g.place[DT])
    share = g.one_minus_exp(g.op("Mul", charge, g.floats(node.numbers["rate"])))
    return g.follow(g.op("Sign", current), share, node.out, 1)


def _dense(g: _Graph, node: Node) -> str:
    weights, bias = g.arrays(node)
    return g.op("Add", g.op("MatMul", g.args(node)[0], g.floats(weights.T)), g.floats(bias))


def _gates(array: NDArray[Any], order: tuple[int, ...]) -> NDArray[Any]:
    """The blocks of a stacked array in another order."""
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[k] for k in order])


def _lstm(g: _Graph, node: Node) -> str:
    order = (0, 3, 1, 2)  # ONNX wants i, o, f, c.
    inputs, hidden, bias = (_gates(array, order) for array in g.arrays(node))
    both = np.concatenate([bias, np.zeros_like(bias)])
    return g.recurrent("LSTM", node, [inputs, hidden, both])


def _gru(g: _Graph, node: Node) -> str:
    order = (1, 0, 2)  # ONNX wants z, r, h.
    inputs, hidden, *biases = (_gates(array, order) for array in g.arrays(node))
    return g.recurrent("GRU", node, [inputs, hidden, np.concatenate(biases)], linear_before_reset=1)


def _table1d(g: _Graph, node: Node) -> str:
    knots, values = g.arrays(node)
    rises = g.op("MatMul", g.along(g.args(node)[0], knots), g.floats(np.diff(values, axis=0)))
    return g.op("Add", rises, g.floats(values[0]))


def _table2d(g: _Graph, node: Node) -> str:
    x_knots, y_knots, values = g.arrays(node)
    x, y = g.args(node)
    across = g.op("Unsqueeze", g.hats(x, x_knots), g.ints([3]))
    up = g.op("Unsqueeze", g.hats(y, y_knots), g.ints([2]))
    shares = g.op("Reshape", g.op("Mul", across, up), g.ints([0, 0, len(x_knots) * len(y_knots)]))
    return g.op("MatMul", shares, g.floats(values.reshape(-1, values.shape[2])))


_WRITERS: dict[str, Callable[[_Graph, Node], str]] = {
    "pack": _pack,
    "affine": _affine,
    "asinh": _asinh,
    "relu": _plain("Relu"),
    "tanh": _plain("Tanh"),
    "product": _chain("Mul"),
    "add": _chain("Add"),
    "sum": _sum,
    "ema": _ema,
    "hysteresis": _hysteresis,
    "dense": _dense,
    "lstm": _lstm,
    "gru": _gru,
    "table1d": _table1d,
    "table2d": _table2d,
}
"""How each operation of ``OPS`` is written."""
