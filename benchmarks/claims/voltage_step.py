"""One LSTM 32, stepped with its state by us, window by window by the reference guide's fast way."""

import resource
import subprocess
import sys

import numpy as np

from benchmarks.clocks import cpu_s
from benchmarks.reference.voltage import LOW, RANGE, FastVoltage, Weights
from benchmarks.result import Bar, Row, Scale, alternate
from evitals.estimators.program import Machine, Program, machine
from evitals.estimators.program import builders as b
from evitals.estimators.program.compiled import FLAGS

NAME = "voltage_step"
LOOKBACKS = (10, 100)
BARS = {"step, NumPy": 8.0, "step, C through cffi": 150.0, "a step of a whole trip, C": 300.0}
SAMPLE = (0.8, -10.5, 25.0)


def measure(scale: Scale) -> list[Row]:
    """CPU per sample of each, after their answers were found equal; CPU of the import."""
    rows = [_imported(scale)]
    for lookback in LOOKBACKS:
        reference = FastVoltage(lookback)
        program = as_program(reference.weights)
        plain = machine(program, "numpy")
        fast = machine(program, "compiled", scale.folder / "built")
        for ours in (plain, fast):
            _same(ours, reference, lookback)
        rows += _rows(scale, lookback, reference, plain, fast)
    return rows


def as_program(weights: Weights) -> Program:
    """The reference's network as a program: scaling folded in, SoC, A, degC in and V out."""
    low, width = np.array(LOW), np.array(RANGE)
    cell = b.Lstm(weights.weight_ih, weights.weight_hh, weights.bias_ih, weights.bias_hh)
    head = b.Layer(
        weights.head_weight * RANGE[-1], weights.head_bias.astype(float) * RANGE[-1] + LOW[-1]
    )
    scaling = b.Scaling(1.0 / width[:3], -low[:3] / width[:3])
    return b.lstm([cell], [head], 1.0, scaling=scaling)


def _same(ours: Machine, reference: FastVoltage, lookback: int) -> None:
    """The guide's window is one sample repeated: so many steps from a fresh state answer alike."""
    rng = np.random.default_rng(lookback)
    for soc, current, degc in rng.uniform(LOW[:3], np.add(LOW, RANGE)[:3], (20, 3)).tolist():
        ours.reset()
        for _ in range(lookback):
            found = ours.step(1.0, soc, current, degc)
        expected = reference.predict(soc, current, degc)
        if not abs(found - expected) < 1e-5:
            raise AssertionError(f"not the same network: {found} and {expected} V")


def _rows(
    scale: Scale, lookback: int, reference: FastVoltage, plain: Machine, fast: Machine
) -> list[Row]:
    n = scale.pick(20_000, 4_000)
    rng = np.random.default_rng(0)
    trip = {
        "time_s": np.arange(float(n)),
        "soc": np.linspace(1.0, 0.1, n),
        "current_a": rng.normal(-3.0, 4.0, n),
        "temperature_degc": np.full(n, 25.0),
    }
    steps = scale.pick(20_000, 3_000)
    theirs, numpy_step, c_step, c_trip = alternate(
        [
            lambda: 1e6 * cpu_s(lambda: reference.predict(*SAMPLE), scale.pick(2_000, 300)),
            lambda: 1e6 * cpu_s(lambda: plain.step(1.0, *SAMPLE), scale.pick(5_000, 1_000)),
            lambda: 1e6 * cpu_s(lambda: fast.step(1.0, *SAMPLE), steps),
            lambda: 1e6 * cpu_s(lambda: fast.run(trip), 20) / n,
        ],
        scale.runs,
    )
    flags = f"{fast.engine}, {' '.join(FLAGS)}"
    notes = {
        "step, NumPy": "without torch; state carried, answers equal to 1e-5 V",
        "step, C through cffi": flags,
        "a step of a whole trip, C": f"{n} rows in one call, columns converted; {flags}",
    }
    return [
        Row(
            claim=NAME,
            quantity=f"{what} (look-back {lookback})",
            unit="us",
            ours=ours,
            reference=theirs,
            other="fast_predict, torch",
            bar=Bar(of="ratio", bound=BARS[what]),
            note=notes[what],
        )
        for what, ours in zip(BARS, (numpy_step, c_step, c_trip), strict=True)
    ]


def _imported(scale: Scale) -> Row:
    """CPU of a Python that imports the runtime and ends."""
    code = "import sys, evitals.estimators.voltage; sys.exit('torch' in sys.modules)"

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return Row(
        claim=NAME,
        quantity="import of the runtime",
        unit="s",
        ours=alternate([once], scale.runs)[0],
        bar=Bar(of="value", bound=0.5),
        note="CPU, Python's own start included; torch is not imported",
    )
