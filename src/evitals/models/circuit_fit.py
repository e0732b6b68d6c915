"""A linear RC circuit identified from drives, in closed form.

With the time constants and the asinh's scale fixed, the voltage is linear in every table, so the
fit is one regularised least-squares solve. What it pays for being rough over SoC and temperature
is chosen by leaving one profile out at a time, among the tests it is given and no others.
``evitals.cells.fit`` makes a chemistry's tables (two branches, scaled by capacity, positive);
this makes one cell's voltage model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, product

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.estimators.voltage.circuit import Circuit
from evitals.telemetry.celltest import CellTest

Array = NDArray[np.float64]

SOC_KNOTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
OCV_GRID = np.linspace(0.0, 1.0, 101)
LAG_ROWS = 10
"""Voltage changes over this many rows are fitted beside the levels: what is slow (OCV, SoC)
cancels in them, so resistances are not bent to absorb it. Power is read from the same tables."""
OCV_SCALE_V = 0.02
NEEDED = ("time_s", "current_a", "voltage_v", "temperature_degc", "soc")


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What kind of circuit: time constants in s, the asinh's scale in A (None: no such term), and
    the SoC knots. No time constants: a static OCV and resistance."""

    tau_s: tuple[float, ...] = (4.0, 16.0, 64.0, 256.0)
    kinetic_a: float | None = 1.0
    soc: tuple[float, ...] = SOC_KNOTS


class Smoothness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a table pays, per its usual size squared and against a mean squared error of 1 mV.

    ``bend``: its second difference over SoC; ``step``: its difference between neighbouring
    temperatures; ``size``: itself; ``stay``: the OCV's distance from the given curve.
    """

    bend: float = 0.1
    step: float = 0.1
    size: float = 0.01
    stay: float = 0.01
    lag: float = 1.0
    """Weight of voltage changes over LAG_ROWS beside the levels."""


@dataclass(frozen=True)
class Fold:
    """A profile left out: the circuit fitted on the others, and the tests it has not seen."""

    profile: str
    circuit: Circuit
    tests: tuple[CellTest, ...]


@dataclass(frozen=True)
class Drives:
    """Tests ready to be fitted, with an OCV to start from (O,) on ``OCV_GRID``, V.

    Without an OCV the fit starts from a constant one. Raises InputError where a column or the
    ambient temperature is missing, a value is unknown, or less than two temperatures or SoC
    values are there.
    """

    tests: tuple[CellTest, ...]
    form: Form = field(default_factory=Form)
    ocv_v: Array | None = None
    _equations: dict[str, "_Equations"] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.tests:
            raise InputError("tests", 0, "are no tests to fit", "give drives of one cell")
        for test in self.tests:
            _check(test)
        if len(self.temperatures) < 2:
            raise InputError(
                "ambient_degc",
                self.temperatures.tolist(),
                "is one temperature only",
                "give drives at two ambient temperatures or more",
            )

    @cached_property
    def temperatures(self) -> Array:
        """The ambient temperatures, rising: the tables' knots."""
        return np.array(sorted({float(t.ambient_degc or 0.0) for t in self.tests}))

    @cached_property
    def start_v(self) -> Array:
        """The OCV the fit starts from, (O,) V."""
        if self.ocv_v is not None:
            return self.ocv_v
        return np.full(len(OCV_GRID), np.mean([t.columns["voltage_v"].mean() for t in self.tests]))

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles driven, sorted."""
        return tuple(sorted({test.profile for test in self.tests}))

    @cached_property
    def step_ohm(self) -> Array:
        """(T,): voltage change over current change from row to row, rms: what a resistance's
        size is there."""
        found = []
        for ambient in self.temperatures:
            there = [t.columns for t in self.tests if t.ambient_degc == ambient]
            volts = sum(float(np.sum(np.diff(c["voltage_v"]) ** 2)) for c in there)
            amps = sum(float(np.sum(np.diff(c["current_a"]) ** 2)) for c in there)
            found.append(np.sqrt(volts / amps) if amps > 0.0 else np.nan)
        if not np.all(np.isfinite(found)) or not np.all(np.array(found) > 0.0):
            raise InputError(
                "current_a", found, "does not change", "give drives, not constant currents"
            )
        return np.array(found)

    def fit(self, smoothness: Smoothness = Smoothness(), without: str | None = None) -> Circuit:  # noqa: B008
        """The circuit of all tests, or of all but those of one profile."""
        parts = [self._of(profile) for profile in self.profiles if profile != without]
        if not parts:
            raise InputError("without", without, "leaves no test to fit", "give two profiles")
        share = smoothness.lag
        count = sum(part.rows for part in parts)
        gram = sum((p.gram + share * p.lag_gram for p in parts), np.zeros_like(parts[0].gram))
        moment = sum(
            (p.moment + share * p.lag_moment for p in parts), np.zeros_like(parts[0].moment)
        )
        penalty = 1e-6 * (1.0 + share) * self._penalty(smoothness)
        return self._circuit(
            np.asarray(np.linalg.solve(gram / count + penalty, moment / count), np.float64)
        )

    def folds(self, smoothness: Smoothness) -> tuple[Fold, ...]:
        """One fold a profile."""
        return tuple(
            Fold(
                profile,
                self.fit(smoothness, without=profile),
                tuple(t for t in self.tests if t.profile == profile),
            )
            for profile in self.profiles
        )

    def score_mv(self, smoothness: Smoothness) -> float:
        """RMSE over all rows of all tests, each predicted by the fit that has not seen its
        profile, mV."""
        return 1e3 * rmse(
            [
                predicted(fold.circuit, test) - test.columns["voltage_v"]
                for fold in self.folds(smoothness)
                for test in fold.tests
            ]
        )

    def _of(self, profile: str) -> "_Equations":
        if profile not in self._equations:
            tests = [t for t in self.tests if t.profile == profile]
            self._equations[profile] = _Equations.of(
                tests, self.form, self.temperatures, self.start_v
            )
        return self._equations[profile]

    def _penalty(self, s: Smoothness) -> Array:
        socs, degc = np.array(self.form.soc), len(self.temperatures)
        width = 2 + (self.form.kinetic_a is not None) + len(self.form.tau_s)
        bend = _bends(socs).T @ _bends(socs)
        step = sum((np.outer(e, e) for e in np.diff(np.eye(degc), axis=0)), np.zeros((degc, degc)))
        blocks = np.zeros((width, degc * len(socs), width * degc * len(socs)))
        for column in range(width):
            size, pull = (np.full(degc, OCV_SCALE_V), s.stay) if column == 0 else (
                self.step_ohm, s.size
            )  # fmt: skip
            unit = np.diag(1.0 / size)
            one = (
                s.bend * np.kron(unit**2, bend)
                + s.step * np.kron(unit @ step @ unit, np.eye(len(socs)))
                + pull * np.kron(unit**2, np.eye(len(socs)))
            )
            start = column * one.shape[0]
            blocks[column, :, start : start + one.shape[0]] = one
        return blocks.reshape(-1, blocks.shape[-1])

    def _circuit(self, found: Array) -> Circuit:
        width = 2 + (self.form.kinetic_a is not None) + len(self.form.tau_s)
        tables = found.reshape(width, len(self.temperatures), len(self.form.soc)).transpose(2, 1, 0)
        return Circuit(
            ocv_soc=OCV_GRID,
            ocv_v=self.start_v,
            soc=np.array(self.form.soc),
            temperature_degc=self.temperatures,
            tau_s=np.array(self.form.tau_s),
            kinetic_a=self.form.kinetic_a,
            tables=np.ascontiguousarray(tables),
        )


def chosen(drives: Drives, candidates: Sequence[Smoothness]) -> tuple[Smoothness, dict[str, float]]:
    """The candidate that predicts left-out profiles best, and the score of each in mV."""
    scores = {candidate: drives.score_mv(candidate) for candidate in candidates}
    best = min(scores, key=scores.__getitem__)
    return best, {msgspec.json.encode(key).decode(): value for key, value in scores.items()}


def grid(
    bend: Sequence[float] = (0.03, 0.1, 0.3),
    step: Sequence[float] = (0.03, 0.1, 0.3),
    stay: Sequence[float] = (0.001, 0.01, 0.1),
    lag: Sequence[float] = (1.0,),
) -> tuple[Smoothness, ...]:
    """Candidates: every combination."""
    return tuple(
        Smoothness(bend=b, step=s, stay=o, lag=w) for b, s, o, w in product(bend, step, stay, lag)
    )


def predicted(circuit: Circuit, test: CellTest) -> Array:
    """Voltage (n,) of ``circuit`` along a test, V, from rest; nothing measured is fed back."""
    columns = test.columns
    terms = _terms(columns, tuple(circuit.tau_s.tolist()), circuit.kinetic_a)
    index, weight = _hats(
        columns["soc"], columns["temperature_degc"], circuit.soc, circuit.temperature_degc
    )
    flat = circuit.tables.transpose(1, 0, 2).reshape(-1, circuit.tables.shape[2])
    base = np.interp(columns["soc"], circuit.ocv_soc, circuit.ocv_v)
    return np.asarray(base + np.einsum("nq,nqw,nw->n", weight, flat[index], terms))


def rmse(errors: Sequence[Array]) -> float:
    """Root mean square over all rows of all arrays."""
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


@dataclass(frozen=True)
class _Equations:
    """What the tests of one profile add to the normal equations: levels and changes apart."""

    gram: Array
    moment: Array
    lag_gram: Array
    lag_moment: Array
    rows: int

    @classmethod
    def of(
        cls, tests: Sequence[CellTest], form: Form, temperatures: Array, start_v: Array
    ) -> "_Equations":
        knots = np.array(form.soc)
        width = 2 + (form.kinetic_a is not None) + len(form.tau_s)
        size = width * len(knots) * len(temperatures)
        gram, lag_gram = np.zeros((size, size)), np.zeros((size, size))
        moment, lag_moment = np.zeros(size), np.zeros(size)
        rows = 0
        for test in tests:
            c = test.columns
            terms = _terms(c, form.tau_s, form.kinetic_a)
            index, weight = _hats(c["soc"], c["temperature_degc"], knots, temperatures)
            target = c["voltage_v"] - np.interp(c["soc"], OCV_GRID, start_v)
            cells = len(knots) * len(temperatures)
            columns = (index[:, :, None] + cells * np.arange(width)).reshape(len(index), -1)
            values = (weight[:, :, None] * terms[:, None, :]).reshape(len(index), -1)
            _accumulate(columns, values, target, gram, moment)
            lagged = np.hstack([columns[LAG_ROWS:], columns[:-LAG_ROWS]])
            change = np.hstack([values[LAG_ROWS:], -values[:-LAG_ROWS]])
            changed = target[LAG_ROWS:] - target[:-LAG_ROWS]
            _accumulate(lagged, change, changed, lag_gram, lag_moment)
            rows += len(target)
        return cls(gram, moment, lag_gram, lag_moment, rows)


def _sparse(
    columns: NDArray[np.int64], values: Array, target: Array, gram: Array, moment: Array
) -> None:
    """Add X'X and X'y of rows that hold ``values`` in ``columns`` and zeros elsewhere."""
    for k in range(len(target)):
        for i in range(columns.shape[1]):
            v = values[k, i]
            if v == 0.0:
                continue
            moment[columns[k, i]] += v * target[k]
            for j in range(columns.shape[1]):
                gram[columns[k, i], columns[k, j]] += v * values[k, j]


_accumulate = njit(cache=True)(_sparse)


def _terms(
    columns: Mapping[str, Array], tau_s: tuple[float, ...], kinetic_a: float | None
) -> Array:
    """(n, W): what each table is multiplied with: 1, i, asinh(i / i0), the branches' currents."""
    time_s, current = columns["time_s"], columns["current_a"]
    dt_s = np.diff(time_s, prepend=time_s[0])
    terms = [np.ones_like(current), current]
    if kinetic_a is not None:
        terms.append(np.arcsinh(current / kinetic_a))
    terms += [_flow(current, dt_s, tau) for tau in tau_s]
    return np.stack(terms, axis=1)


def _branch(current: Array, dt_s: Array, tau_s: float) -> Array:
    out, flow = np.empty_like(current), 0.0
    for k in range(len(current)):
        flow -= np.expm1(-dt_s[k] / tau_s) * (current[k] - flow)
        out[k] = flow
    return out


_flow = njit(cache=True)(_branch)


def _hats(
    soc: Array, temperature: Array, socs: Array, degc: Array
) -> tuple[NDArray[np.int64], Array]:
    """The four knots around each row, index T-major (n, 4), and their bilinear weights."""
    i, a = _place(soc, socs)
    j, b = _place(temperature, degc)
    corner = j * len(socs) + i
    index = np.stack([corner, corner + 1, corner + len(socs), corner + len(socs) + 1], axis=1)
    weight = np.stack([(1 - b) * (1 - a), (1 - b) * a, b * (1 - a), b * a], axis=1)
    return index, weight


def _place(x: Array, knots: Array) -> tuple[NDArray[np.int64], Array]:
    clipped = np.clip(x, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, clipped, side="right") - 1, 0, len(knots) - 2)
    return left, (clipped - knots[left]) / (knots[left + 1] - knots[left])


def _bends(knots: Array) -> Array:
    """(S - 2, S): second differences, for uneven knots as if they were even."""
    rows = np.zeros((len(knots) - 2, len(knots)))
    gaps = [right - left for left, right in pairwise(knots.tolist())]
    for k, (left, right) in enumerate(pairwise(gaps)):
        ratio = 2.0 / (left + right)
        rows[k, k : k + 3] = ratio * right, -2.0, ratio * left
    return rows


def _check(test: CellTest) -> None:
    missing = [name for name in NEEDED if name not in test.columns]
    if missing:
        raise InputError(
            "columns", missing, f"are missing in test {test.test_id}", "measure or leave it out"
        )
    unknown = [name for name in NEEDED if not np.all(np.isfinite(test.columns[name]))]
    if unknown:
        raise InputError(
            "columns",
            unknown,
            f"hold unknown values in test {test.test_id}",
            "cut or fill them in the recipe",
        )
    if test.ambient_degc is None:
        raise InputError(
            "ambient_degc", None, f"of test {test.test_id} is unknown", "give it in the data set"
        )
    if len(test) <= LAG_ROWS:
        raise InputError(
            test.test_id, len(test), f"rows are not more than {LAG_ROWS}", "leave it out"
        )
