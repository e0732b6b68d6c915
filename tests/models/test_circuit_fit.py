"""The circuit's fit: finds a known circuit, never sees what is left out, refuses what it cannot
use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.program import machine
from evitals.models.circuit_fit import (
    OCV_GRID,
    Drives,
    Form,
    Smoothness,
    chosen,
    grid,
    predicted,
    rmse,
)
from evitals.telemetry.celltest import CellTest
from tests.estimators.voltage.made_up import circuit, drive

FORM = Form(tau_s=(2.0, 10.0, 60.0, 300.0), kinetic_a=0.5, soc=(0.0, 0.1, 0.3, 0.6, 1.0))
LOOSE = Smoothness(bend=1e-4, step=1e-4, size=1e-4, stay=1e-3)


def drives_of(profile: str, seed: int) -> tuple[CellTest, ...]:
    return tuple(
        CellTest(
            f"{profile} at {degc:g}",
            "A",
            profile,
            drive(rows=4000, seed=seed + k, degc=degc, start=1.0),
            ambient_degc=degc,
        )
        for k, degc in enumerate((-10.0, 10.0, 30.0))
    )


TESTS = (*drives_of("city", 0), *drives_of("road", 10), *drives_of("hills", 20))


def error_mv(drives: Drives, smoothness: Smoothness, tests: tuple[CellTest, ...]) -> float:
    cell = drives.fit(smoothness)
    return 1e3 * rmse([predicted(cell, t) - t.columns["voltage_v"] for t in tests])


def test_a_known_circuit_is_found() -> None:
    drives = Drives(TESTS, FORM, circuit().ocv_v)
    # The drives carry 1 mV of noise.
    assert error_mv(drives, LOOSE, drives_of("unseen", 77)) < 1.5
    found = drives.fit(LOOSE).at(0.5, 12.0)
    true = circuit().at(0.5, 12.0)
    assert found.r0_ohm == pytest.approx(true.r0_ohm, rel=0.1)
    total = found.r0_ohm + float(found.branch_ohm.sum())
    assert total == pytest.approx(true.r0_ohm + float(true.branch_ohm.sum()), rel=0.1)


def test_a_fit_predicts_what_its_program_streams() -> None:
    cell = Drives(TESTS, FORM, circuit().ocv_v).fit()
    stream = machine(cell.program(), "numpy").run(TESTS[0].columns)
    assert predicted(cell, TESTS[0]) == pytest.approx(stream, abs=1e-5)


def test_the_kinetic_term_and_the_branches_are_worth_their_place() -> None:
    unseen = drives_of("unseen", 77)
    ocv = circuit().ocv_v
    full = error_mv(Drives(TESTS, FORM, ocv), LOOSE, unseen)
    linear = error_mv(Drives(TESTS, Form(FORM.tau_s, None, FORM.soc), ocv), LOOSE, unseen)
    static = error_mv(Drives(TESTS, Form((), None, FORM.soc), ocv), LOOSE, unseen)
    assert full < linear < static


def test_what_is_left_out_is_not_seen() -> None:
    spoiled = tuple(
        replace(t, columns={**t.columns, "voltage_v": t.columns["voltage_v"] - 0.5}, digest="")
        if t.profile == "road"
        else t
        for t in TESTS
    )
    clean = Drives(TESTS, FORM, circuit().ocv_v).fit(without="road")
    other = Drives(spoiled, FORM, circuit().ocv_v).fit(without="road")
    assert np.array_equal(clean.tables, other.tables)
    folds = Drives(TESTS, FORM).folds(LOOSE)
    assert [fold.profile for fold in folds] == ["city", "hills", "road"]
    assert all({t.profile for t in fold.tests} == {fold.profile} for fold in folds)


def test_the_best_candidate_is_chosen() -> None:
    drives = Drives(TESTS, FORM, circuit().ocv_v)
    stiff = Smoothness(bend=1e4, step=1e4, size=1e4, stay=1e4)
    best, scores = chosen(drives, (stiff, LOOSE))
    assert best == LOOSE
    assert len(scores) == 2
    assert min(scores.values()) == pytest.approx(drives.score_mv(LOOSE))
    assert len(grid(bend=(1.0, 2.0), step=(1.0,), stay=(1.0, 2.0, 3.0))) == 6


def without(name: str) -> tuple[CellTest, ...]:
    columns = {key: v for key, v in TESTS[0].columns.items() if key != name}
    return (replace(TESTS[0], columns=columns, digest=""), *TESTS[1:])


def unknown() -> tuple[CellTest, ...]:
    voltage = TESTS[0].columns["voltage_v"].copy()
    voltage[7] = np.nan
    return (replace(TESTS[0], columns={**TESTS[0].columns, "voltage_v": voltage}), *TESTS[1:])


def constant() -> tuple[CellTest, ...]:
    return tuple(
        replace(t, columns={**t.columns, "current_a": np.full(len(t), -1.0)}) for t in TESTS
    )


def short() -> tuple[CellTest, ...]:
    columns = {name: values[:8] for name, values in TESTS[0].columns.items()}
    return (replace(TESTS[0], columns=columns), *TESTS[1:])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda: (), "no tests"),
        (lambda: without("soc"), "soc.*missing"),
        (unknown, "voltage_v.*unknown"),
        (lambda: (replace(TESTS[0], ambient_degc=None), *TESTS[1:]), "ambient_degc"),
        (lambda: TESTS[:1], "two ambient temperatures"),
        (constant, "does not change"),
        (short, "leave it out"),
    ],
)
def test_what_cannot_be_used_is_named(
    broken: Callable[[], tuple[CellTest, ...]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Drives(broken(), FORM).fit()


def test_a_single_profile_leaves_nothing_to_fit() -> None:
    with pytest.raises(InputError, match="without"):
        Drives(drives_of("city", 0), FORM).score_mv(LOOSE)


@pytest.mark.data
def test_real_drives_nobody_fitted(public_data: Path) -> None:
    """LG: UDDS and HWFET within the bar, by a circuit of Mixed1-8 with the usual smoothness."""
    from benchmarks.voltage_models import Data, voltage_score

    data = Data.read(public_data)
    drives = Drives(data.training, Form((1.0, 4.0, 16.0, 64.0), 2.0), data.ocv_v)
    program = drives.fit().program()
    assert program.parameters <= 2000
    assert voltage_score(program, data.scored)["all"] <= 20.0
    static = Drives(data.training, Form((), None), data.ocv_v).fit().program()
    assert voltage_score(static, data.scored)["all"] > 40.0
    assert len(OCV_GRID) == len(data.ocv_v)
