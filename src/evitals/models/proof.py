"""Proof that every engine here gives a bundle's golden answers: NumPy, compiled C, ONNX Runtime."""

import numpy as np
from msgspec import Struct

from evitals.errors import MissingExtra
from evitals.estimators.program.engine import machine
from evitals.estimators.program.interpreter import Interpreter
from evitals.models import onnx_graph
from evitals.models.bundle import Bundle
from evitals.models.golden import Golden, check, compare
from evitals.models.onnx_graph import DT, NEXT, OUT, STATE


class Check(Struct, frozen=True):
    """One engine: its largest error in the output's unit, or None and why it was not tried."""

    engine: str
    error: float | None
    note: str = ""


def prove(bundle: Bundle) -> list[Check]:
    """Each engine over the golden vectors. Raises RefusedBundle where one answers differently.

    An engine that is not installed is named, not passed over in silence.
    """
    golden = bundle.golden
    checks = [Check("numpy", check(golden, Interpreter(bundle.program)))]
    compiled = machine(bundle.program)
    if compiled.reason:
        checks.append(Check("compiled", None, compiled.reason))
    else:
        checks.append(Check("compiled", check(golden, compiled), compiled.engine))
    try:
        checks.append(Check("onnx", check_graph(bundle)))
    except MissingExtra as error:
        checks.append(Check("onnx", None, str(error)))
    return checks


def check_graph(bundle: Bundle) -> float:
    """The largest error of the ONNX graph over the golden vectors, in the output's unit.

    It runs twice the same in one batch, in two stretches with the state handed over. Raises
    RefusedBundle for another graph or other answers, MissingExtra without onnx and onnxruntime.
    """
    onnx_graph.plain(bundle.graph)
    session, golden = onnx_graph.Session(bundle.graph), bundle.golden
    value = OUT + bundle.program.output.name
    states = [STATE + name for name in bundle.program.states]
    names = {*(s.name for s in bundle.program.inputs), DT, *states}
    if set(session.inputs) != names or set(session.outputs) != {value, *(s + NEXT for s in states)}:
        raise onnx_graph.bad_graph("has other inputs or outputs than the program")
    first = session.run(_rows(golden, bundle, slice(0, golden.middle)))
    handed = {name: first[name + NEXT] for name in states}
    second = session.run(_rows(golden, bundle, slice(golden.middle, None)) | handed)
    answers = np.concatenate([first[value], second[value]], axis=1)
    return max(compare(golden, row) for row in answers)


def _rows(golden: Golden, bundle: Bundle, rows: slice) -> dict[str, np.ndarray]:
    """Columns of some rows, twice in one batch."""
    names = [*(s.name for s in bundle.program.inputs), DT]
    columns = [np.asarray(c[rows], np.float32) for c in (*golden.inputs, golden.dt_s)]
    return {name: np.stack([c, c]) for name, c in zip(names, columns, strict=True)}
