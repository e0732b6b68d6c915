"""One contract for every estimator that is streamed: run equals step after step, reset forgets, a
state survives JSON, unknown stays unknown, and two of a kind never meet."""

import json
import math
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.estimators.voltage import Estimator, estimator
from tests.estimators.program.made_up import KINDS, columns, stepped

SAMPLE = (1.0, 0.6, -3.0, 22.0)
Make = Callable[[], Estimator]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


@pytest.fixture(params=["numpy", "compiled"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, engine: str, cache: Path) -> Make:
    return maker(request.param, engine, cache)


def maker(kind: str, engine: str, cache: Path) -> Make:
    program = KINDS[kind]()
    if engine == "numpy":
        return lambda: estimator(program, "numpy")
    pytest.importorskip("cffi", reason="needs cffi: pip install cffi")
    try:
        estimator(program, "compiled", cache)
    except InputError as error:
        if "no C compiler" not in str(error):
            raise
        pytest.skip("no C compiler: apt-get install gcc")
    return lambda: estimator(program, "compiled", cache)


def test_run_is_step_after_step(make: Make) -> None:
    made = columns()
    one, two = make(), make()
    answers = one.run(made)
    assert answers.shape == (400,)
    assert answers.dtype == np.float64
    assert np.isfinite(answers).all()
    assert np.ptp(answers) > 0.01
    np.testing.assert_allclose(stepped(two, made), answers, rtol=0, atol=1e-6)


def test_a_run_goes_on_from_where_it_is(make: Make) -> None:
    made = columns()
    whole = make().run(made)
    parted = make()
    first = parted.run({name: values[:150] for name, values in made.items()})
    rest = parted.run({name: values[150:] for name, values in made.items()}, first_dt_s=1.0)
    np.testing.assert_allclose(np.concatenate([first, rest]), whole, rtol=0, atol=1e-6)


def test_reset_is_as_good_as_new(make: Make) -> None:
    used, fresh = make(), make()
    used.run(columns(seed=3))
    used.step(1.0, math.nan, 0.0, 20.0)
    used.reset()
    assert used.state() == fresh.state()
    assert (used.unknown_s, used.status) == (0.0, "ok")
    assert [used.step(*SAMPLE) for _ in range(5)] == [fresh.step(*SAMPLE) for _ in range(5)]


def test_a_state_survives_json(make: Make) -> None:
    one, two = make(), make()
    one.run(columns())
    one.step(1.0, math.nan, 0.0, 20.0)
    kept = one.state()
    text = json.dumps(kept, allow_nan=False)
    two.restore(json.loads(text))
    expected = [one.step(*SAMPLE) for _ in range(20)]
    assert [two.step(*SAMPLE) for _ in range(20)] == expected
    assert json.dumps(kept) == text, "a state is a copy"


@pytest.mark.parametrize("nonsense", [{}, {"program": "x", "unknown_s": 0, "values": []}])
def test_a_foreign_state_is_refused(make: Make, nonsense: dict[str, object]) -> None:
    made = make()
    before = made.state()
    for state in (
        nonsense,
        before | {"values": [*before["values"], 0.0]},
        before | {"unknown_s": math.nan},
        before | {"values": "abc"},
        before | {"program": "0" * 64},
    ):
        with pytest.raises(InputError, match="state"):
            made.restore(state)
    assert made.state() == before


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, 1e300])
def test_an_unknown_input_stays_unknown(make: Make, place: int, value: float) -> None:
    made = make()
    sample = list(SAMPLE)
    sample[1 + place] = value
    assert [math.isnan(made.step(*sample)) for _ in range(2)] == [True, True]
    assert (made.status, made.unknown_s) == ("input_unknown", 2.0)
    assert math.isfinite(made.step(*SAMPLE))
    assert (made.status, made.unknown_s) == ("ok", 0.0)


@pytest.mark.parametrize(
    ("kind", "covered_s"), [("filter_fnn", 3.0), ("circuit", 3.0), ("lstm", 1.0), ("gru", 1.0)]
)
def test_time_passes_while_the_input_is_unknown(
    kind: str, covered_s: float, engine: str, cache: Path
) -> None:
    """The next known sample covers it; to a recurrent network the missing samples never were."""
    make = maker(kind, engine, cache)
    one, two = make(), make()
    for made in (one, two):
        for _ in range(5):
            made.step(*SAMPLE)
    one.step(1.0, math.nan, 0.0, 0.0)
    one.step(1.0, 0.5, math.nan, 0.0)
    assert one.step(1.0, 0.4, 5.0, 10.0) == pytest.approx(two.step(covered_s, 0.4, 5.0, 10.0))


def one_step_only(make: Make) -> bool:
    made = make()
    made.step(7.0, *SAMPLE[1:])
    return made.status == "step_refused"


def test_rows_with_gaps_are_stepped_alike(make: Make) -> None:
    made = columns()
    rng = np.random.default_rng(2)
    for name in ("soc", "current_a", "temperature_degc"):
        made[name][rng.integers(0, 400, 12)] = math.nan
    made["current_a"][0] = made["soc"][-1] = math.nan
    one, two = make(), make()
    answers = one.run(made)
    missing = np.isnan(np.column_stack(list(made.values()))).any(axis=1)
    assert np.array_equal(np.isnan(answers), missing)
    np.testing.assert_allclose(stepped(two, made), answers, rtol=0, atol=1e-6)
    assert (one.status, one.unknown_s) == (two.status, two.unknown_s) == ("input_unknown", 1.0)


@pytest.mark.parametrize("dt_s", [-1.0, math.nan, math.inf])
def test_an_impossible_step_is_refused(make: Make, dt_s: float) -> None:
    made = make()
    made.step(*SAMPLE)
    before = made.state()
    assert math.isnan(made.step(dt_s, *SAMPLE[1:]))
    assert made.status == "step_refused"
    assert made.state() == before


def test_another_step_time_is_taken_exactly_or_refused(make: Make) -> None:
    made = make()
    made.step(0.0, *SAMPLE[1:])
    answer = made.step(1.5, *SAMPLE[1:])
    late = columns(10) | {"time_s": np.arange(10) * 1.5}
    if made.status == "step_refused":
        assert math.isnan(answer)
        before = made.state()
        with pytest.raises(InputError, match="resample the columns") as caught:
            made.run(late)
        assert caught.value.reason == "step_refused"
        assert made.state() == before
        assert math.isfinite(made.step(1.05, *SAMPLE[1:]))
    else:
        assert math.isfinite(answer)
        assert np.isfinite(made.run(late)).all()


def test_extreme_numbers_do_no_harm(make: Make) -> None:
    made = make()
    for value in (9e8, -9e8, 1e-40, -0.0):
        made.step(1.0, value, value, value)
    made.step(1e8, 0.5, 1.0, 20.0)
    json.dumps(made.state(), allow_nan=False)
    made.reset()
    assert made.step(*SAMPLE) == make().step(*SAMPLE)


def test_two_never_meet(make: Make) -> None:
    one, two, alone = make(), make(), make()
    mixed = []
    for k in range(50):
        one.step(1.0, 0.2, 5.0 * (-1) ** k, -10.0)
        mixed.append(two.step(*SAMPLE))
    assert mixed == [alone.step(*SAMPLE) for _ in range(50)]


def test_threads_take_turns(make: Make) -> None:
    """Two threads and a reader leave the state that as many samples of one thread leave."""
    shared, alone = make(), make()
    torn: list[object] = []

    def work() -> None:
        for _ in range(150):
            if not math.isfinite(shared.step(*SAMPLE)):
                torn.append("step")
            if not np.isfinite(shared.state()["values"]).all():
                torn.append("state")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(450):
        alone.step(*SAMPLE)
    assert torn == []
    assert shared.state() == alone.state()


BAD: dict[str, tuple[Callable[[dict[str, np.ndarray]], dict[str, object]], str]] = {
    "absent": (lambda c: {k: v for k, v in c.items() if k != "soc"}, "send the column soc"),
    "no time": (lambda c: {k: v for k, v in c.items() if k != "time_s"}, "column time_s"),
    "length": (lambda c: c | {"soc": c["soc"][:-1]}, "column of 400 rows"),
    "shape": (lambda c: c | {"time_s": c["time_s"][:, None]}, "one dimension"),
    "text": (lambda c: c | {"soc": ["x"] * 400}, "not numeric"),
    "backward": (lambda c: c | {"time_s": c["time_s"][::-1]}, "runs backward"),
}


@pytest.mark.parametrize("case", BAD)
def test_columns_that_do_not_fit_are_refused(make: Make, case: str) -> None:
    spoil, message = BAD[case]
    made = make()
    before = made.state()
    with pytest.raises(InputError, match=message):
        made.run(spoil(columns()))  # type: ignore[arg-type]
    assert made.state() == before


def test_no_rows_no_answers(make: Make) -> None:
    made = make()
    assert made.run({name: values[:0] for name, values in columns().items()}).shape == (0,)
    assert made.state() == make().state()


def test_rows_without_a_time_are_unknown(make: Make) -> None:
    made = columns()
    made["time_s"][7:9] = math.nan
    if one_step_only(make):
        with pytest.raises(InputError, match="before row 9"):
            make().run(made)
    else:
        assert np.flatnonzero(np.isnan(make().run(made))).tolist() == [7, 8]
