"""The filter: converges, covers, forgives outliers, and knows what it cannot know."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.estimators.answer import Evidence, Method
from evitals.estimators.capacity import Measurement
from evitals.estimators.health import HealthFilter
from evitals.estimators.mixture import distribution, quantile
from evitals.estimators.rests import TABLE_NODES, TABLE_SIGMA_V
from evitals.settings import Settings

from .made_up import DAY, interval, known, pack

PACK = pack()
SETTINGS = Settings()


def measured(
    capacity: float,
    day: float = 0.0,
    method: Method = "bms_soc",
    sigma: float = 0.02,
    table: float = 0.0,
    offset: float = 0.0,
    refused: str = "",
) -> Measurement:
    """``table``: error of ln capacity that one standard deviation of the OCV table makes."""
    nodes = (table / TABLE_SIGMA_V, *[0.0] * (len(TABLE_NODES) - 1)) if method == "ocv" else ()
    return Measurement(
        evidence=Evidence(
            method=method,
            event_s=int(1_700_000_000 + day * DAY),
            digest=f"{method}-{day}",
            capacity_ah=None if refused else capacity,
            sigma_ah=None if refused else capacity * sigma,
            delta_soc=0.2,
            charge_ah=10.0,
            refused=refused,
        ),
        sigma=sigma,
        table=nodes,
        offset_per_a=offset,
    )


def folded(measurements: Iterable[Measurement], battery: Battery = PACK) -> HealthFilter:
    f = HealthFilter(battery, SETTINGS)
    for m in measurements:
        f.step(m)
    return f


def test_unknown_until_there_is_enough() -> None:
    f = folded([measured(54.0, 0), measured(54.0, 1)])
    assert f.soh().value is None
    assert "few_evidence" in f.soh().reasons
    f.step(measured(54.0, 2))
    assert f.soh().value == pytest.approx(0.9, rel=0.01)
    assert f.soh().validity == "valid"


def test_refusals_explain_the_unknown() -> None:
    f = folded([measured(54.0, d, refused="low_delta_soc") for d in range(5)])
    assert f.soh().reasons == ("low_delta_soc",)
    assert f.capacity("bms_soc").reasons == ("low_delta_soc",)
    assert HealthFilter(PACK, SETTINGS).soh().reasons == ("no_evidence",)


def test_bms_alone_leaves_the_bms_error_in_the_soh_but_not_in_its_own_capacity() -> None:
    f = folded([measured(54.0, d) for d in range(60)])
    own, soh = f.capacity("bms_soc"), f.soh()
    assert own.source == "bms_soc"
    assert own.value == pytest.approx(54.0, rel=0.005)
    assert 1.0 < interval(own).width < 2.5
    assert interval(soh).width * 60.0 == pytest.approx(
        2 * 0.9 * SETTINGS.bms_capacity_error * 54.0, rel=0.15
    )
    assert soh.reasons == ("bms_soc_only",)


def test_a_better_bms_gives_a_narrower_soh() -> None:
    better = Settings(bms_capacity_error=0.01)
    wide, narrow = HealthFilter(PACK, SETTINGS), HealthFilter(PACK, better)
    for d in range(20):
        wide.step(measured(54.0, d))
        narrow.step(measured(54.0, d))
    assert interval(narrow.soh()).width < 0.6 * interval(wide.soh()).width


def test_ocv_reveals_the_bms_error() -> None:
    both = [measured(54.0, d) for d in range(30)]
    both += [measured(52.0, 30 + d, "ocv", sigma=0.02, table=0.004) for d in range(30)]
    f = folded(both)
    assert known(f.soh().value) * 60.0 == pytest.approx(52.0, rel=0.012)
    assert f.soh().source == "bms_soc+ocv"
    assert f.capacity("bms_soc").value == pytest.approx(54.0, rel=0.01)
    assert f.capacity("ocv").value == pytest.approx(52.0, rel=0.01)


def test_an_uncertain_table_cannot_overrule_the_bms() -> None:
    both = [measured(54.0, d) for d in range(30)]
    both += [measured(45.0, 30 + d, "ocv", table=0.2) for d in range(30)]
    f = folded(both)
    assert 0.95 * 54.0 < known(f.soh().value) * 60.0 < 1.05 * 54.0
    assert interval(f.capacity("ocv")).width > 10.0


def test_opposite_offsets_show_the_offset() -> None:
    # 1 A of offset adds 2 % to a charge and takes 2 % from a drive.
    pairs = []
    for d in range(40):
        sign = 1.0 if d % 2 else -1.0
        capacity = 54.0 * math.exp(sign * 0.02 * 0.4)
        pairs.append(measured(capacity, d, "ocv", sigma=0.01, offset=sign * 0.02))
    f = folded(pairs)
    assert f.capacity("ocv").value == pytest.approx(54.0, rel=0.004)


def test_outliers_move_little() -> None:
    clean = folded([measured(54.0, d) for d in range(20)])
    struck = folded([measured(54.0 if d % 7 else 75.0, d) for d in range(1, 21)])
    assert struck.capacity("bms_soc").value == pytest.approx(
        clean.capacity("bms_soc").value, rel=0.02
    )


def test_a_first_outlier_is_overcome() -> None:
    f = folded([measured(75.0, 0)] + [measured(54.0, d) for d in range(1, 20)])
    assert f.capacity("bms_soc").value == pytest.approx(54.0, rel=0.02)


def test_ageing_is_followed() -> None:
    years = 4
    f = folded(
        [measured(60.0 * (1 - 0.04 * d / 365.25), d) for d in range(0, int(years * 365.25), 7)]
    )
    assert f.capacity("bms_soc").value == pytest.approx(60.0 * (1 - 0.04 * years), rel=0.015)


def test_time_without_evidence_widens_the_interval() -> None:
    f = folded([measured(54.0, d) for d in range(30)])
    before = interval(f.capacity("bms_soc"))
    f.step(measured(54.0, 1500, refused="gap"))
    after = interval(f.capacity("bms_soc"))
    assert after.width > 1.5 * before.width
    assert after.value < before.value


def test_order_is_required() -> None:
    f = folded([measured(54.0, 5)])
    with pytest.raises(InputError, match="backward"):
        f.step(measured(54.0, 4))


def test_an_impossible_soh_is_doubtful() -> None:
    assert folded([measured(75.0, d) for d in range(9)]).soh().validity == "doubtful"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(30.0, 70.0), st.sampled_from(["bms_soc", "ocv"]), st.floats(0.002, 0.2)
        ),
        min_size=3,
        max_size=25,
    ),
    st.integers(0, 25),
)
def test_resuming_from_a_checkpoint_changes_nothing(
    rows: list[tuple[float, Method, float]], at: int
) -> None:
    all_ = [measured(c, d, m, sigma=s, table=0.05, offset=0.01) for d, (c, m, s) in enumerate(rows)]
    whole, part, resumed = folded(all_), folded(all_[:at]), HealthFilter(PACK, SETTINGS)
    resumed.restore(part.state())
    for m in all_[at:]:
        resumed.step(m)
    assert resumed.state() == whole.state()
    assert resumed.soh() == whole.soh()
    if whole.soh().value is not None:
        low, value, high = interval(whole.soh())
        assert low <= value <= high


def test_foreign_state_is_refused() -> None:
    f = HealthFilter(PACK, SETTINGS)
    with pytest.raises(InputError, match="health filter"):
        f.restore({"mean": [1, 2]})
    broken = f.state() | {"mean": [float("nan")] * 4}
    with pytest.raises(InputError, match="health filter"):
        f.restore(broken)


def test_interval_covers_what_its_own_model_draws() -> None:
    """Calibration: vehicles drawn from the filter's own assumptions, both with and without OCV."""
    rng = np.random.default_rng(8)
    half = SETTINGS.bms_capacity_error
    inside = {True: 0, False: 0}
    count = 250
    for _ in range(count):
        true, b = rng.uniform(42.0, 60.0), rng.uniform(-half, half)
        g, t = rng.uniform(-0.01, 0.01), rng.standard_normal()
        for with_ocv in (True, False):
            f = HealthFilter(PACK, SETTINGS)
            for d in range(12):
                noise = rng.normal(0, 0.01)
                f.step(measured(true * math.exp(b + g + noise), d / 10, sigma=0.01))
                if with_ocv:
                    z = true * math.exp(g + 0.03 * t + rng.normal(0, 0.02))
                    f.step(measured(z, d / 10, "ocv", sigma=0.02, table=0.03))
            soh = interval(f.soh())
            inside[with_ocv] += soh.low <= true / 60.0 <= soh.high
    assert 0.85 <= inside[False] / count <= 0.96
    assert 0.85 <= inside[True] / count <= 0.96


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=8),
    st.floats(1e-3, 1.0),
    st.floats(0.0, 0.5),
    st.floats(0.01, 0.99),
)
def test_quantile_inverts_the_distribution(
    means: list[float], sigma: float, half: float, share: float
) -> None:
    m = np.array(means)
    w = np.full(m.size, 1.0 / m.size)
    x = quantile(share, m, w, sigma, half)
    assert distribution(x, m, w, sigma, half) == pytest.approx(share, abs=1e-5)


def test_distribution_agrees_with_draws() -> None:
    rng = np.random.default_rng(0)
    m, w = np.array([-0.5, 0.2]), np.array([0.3, 0.7])
    drawn = rng.choice(m, 200_000, p=w) + 0.1 * rng.standard_normal(200_000)
    drawn += rng.uniform(-0.3, 0.3, 200_000)
    assert distribution(0.1, m, w, 0.1, 0.3) == pytest.approx((drawn <= 0.1).mean(), abs=0.005)
    assert quantile(0.95, m, w, 0.1, 0.3) == pytest.approx(np.quantile(drawn, 0.95), abs=0.01)
