"""The equations of published ageing models, compiled: how fast a battery loses and grows.

Every mechanism follows ``y = g(gain (speed x)^power)`` at constant conditions; x is days or
equivalent full cycles, g the identity or, where the mechanism has an end, ``limit tanh(z / 2)``
(which is BLAST-Lite's sigmoid 2 limit (1/2 - 1 / (1 + exp z))). A stretch of constant conditions
moves on along its own curve from the place where the loss so far lies on it: the exact solution of
BLAST-Lite's state equations, so it does not matter how a stretch is cut. Rates of a stretch with
changing temperature and SoC are averaged over its time, as BLAST-Lite does.

Equations: BLAST-Lite (Gasper, Prakash, Smith, NREL; each law names its publication), Naumann et
al. 2018 and 2020. Written from the published equations. Constants stay in this file: numba's
cache watches only it.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
State = tuple[float, float, float, float, float, float]

CALENDAR, CYCLE, MATERIAL, GROWTH_CALENDAR, GROWTH_CYCLE = range(5)
"""Mechanisms: loss by time and by charge, loss of active material, growth of resistance."""
GAIN, SPEED, POWER, LIMIT = range(4)
"""What a mechanism's rates are: ``gain (speed x)^power``, ``limit`` 0 where it has no end."""

PARAMETERS: dict[str, tuple[str, ...]] = {
    "kokam": (
        *("q1_0", "q1_1", "q1_2", "q2", "q3_0", "q3_1", "q3_2", "q4"),
        *("q5_0", "q5_1", "p_lam", "r1", "r2", "r3", "r4", "q5_least"),
    ),
    "pouch": ("p1", "p2", "pcal", "p3", "p4", "pcyc"),
    "lgm50": ("pcal", "b0", "b1", "b2", "b3", "b4", "pcyc", "c0", "c1", "c2"),
    "panasonic": ("cal_a", "cal_b", "cal_c", "cal_p", "cyc_a", "cyc_b", "cyc_c", "cyc_p"),
    "murata": (
        *("q1_0", "q1_1", "q1_2", "q2", "q3_0", "q3_1", "q3_2", "q3_3", "q3_4"),
        *("q5_0", "q5_1", "q5_2", "q6"),
        *("rt_k", "rt_ea", "rt_c", "rt_d", "rn_a", "rn_b", "rn_c", "rn_d"),
    ),
    "naumann": (
        *("qt_k", "qt_ea", "qt_c", "qt_d", "qn_a", "qn_b", "qn_c", "qn_d"),
        *("rt_k", "rt_ea", "rt_c", "rt_d", "rn_a", "rn_b", "rn_c", "rn_d"),
    ),
}
"""The laws and the names of their parameters, in the order of the kernel's vector."""
KOKAM, POUCH, LGM50, PANASONIC, MURATA, NAUMANN = range(6)
LAWS = {name: place for place, name in enumerate(PARAMETERS)}

ZERO_K, REFERENCE_K, WARM_K = 273.15, 298.15, 308.15
"""WARM_K (35 degC) is what BLAST-Lite's identified models divide temperatures by."""
GAS_J_PER_MOL_K = 8.3144
HALF_CHARGED_V = 0.123
"""Graphite's potential at half charge, what the same models divide it by."""
DAY_S = 86_400.0

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True)(function))


@_compiled
def graphite_v(soc: float) -> float:
    """Potential of graphite against lithium at SoC, V (Safari & Delacourt 2011, JES 158 A562)
    with the stoichiometries of Schimpe et al. 2018 (JES 165 A181), as BLAST-Lite uses for all."""
    x = 0.0085 + soc * (0.78 - 0.0085)
    return (
        0.6379
        + 0.5416 * math.exp(-305.5309 * x)
        + 0.044 * math.tanh((0.1958 - x) / 0.1088)
        - 0.1978 * math.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * math.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * math.tanh((x - 0.5692) / 0.0875)
    )


@_compiled
def _power(rates: Floats, term: int, gain: float, speed: float, power: float) -> None:
    rates[term, GAIN], rates[term, SPEED], rates[term, POWER] = max(gain, 0.0), speed, power
    rates[term, LIMIT] = 0.0


@_compiled
def _kokam(rates: Floats, p: Floats, kelvin: float, soc: float, dod: float) -> None:
    """Kokam 75 Ah NMC (Smith et al. 2017, American Control Conference, doi 10.23919/
    ACC.2017.7963578)."""
    warm = kelvin / WARM_K
    volts = graphite_v(soc) / HALF_CHARGED_V
    by_time = p[0] * math.exp(p[1] / warm + p[2] * volts / warm)
    by_charge = p[4] * math.exp(p[5] / warm + p[6] * math.exp(dod * dod))
    lasts = p[8] + p[9] * (kelvin - ZERO_K - 55.0) * dod * soc / 0.6
    _power(rates, CALENDAR, by_time, 1.0, p[3])
    _power(rates, CYCLE, by_charge, 1.0, p[7])
    _power(rates, MATERIAL, 1.0, 1.0 / max(lasts, p[15]), p[10])
    rates[MATERIAL, LIMIT] = 1.0
    _power(rates, GROWTH_CALENDAR, p[11] * by_time, 1.0, p[12])
    _power(rates, GROWTH_CYCLE, p[13] * by_charge, 1.0, p[14])


@_compiled
def _pouch(rates: Floats, p: Floats, kelvin: float, soc: float, dod: float, c_rate: float) -> None:
    """NMC-graphite pouch "B1", 50 Ah (Gasper et al. 2023, J. Energy Storage 73, 109042)."""
    warm = kelvin / WARM_K
    volts = graphite_v(soc) / HALF_CHARGED_V
    by_time = p[0] * math.exp(p[1] * volts ** (1.0 / 3.0) / warm**3)
    by_charge = p[3] * (dod * dod * warm**3 * math.sqrt(c_rate)) ** p[4]
    _power(rates, CALENDAR, by_time, 1e-4, p[2])
    _power(rates, CYCLE, by_charge, 1e-5, p[5])


@_compiled
def _lgm50(rates: Floats, p: Floats, kelvin: float, soc: float, c_rate: float) -> None:
    """LG M50, NMC811 against graphite-SiOx (tests of Bui et al. 2021, IEEE document 9617644;
    identified in BLAST-Lite); ``c_rate`` is that of discharge."""
    warm = kelvin / WARM_K
    volts = graphite_v(soc) / HALF_CHARGED_V
    by_time = (
        p[1]
        + p[2] * math.exp(warm**3 * volts ** (-1.0 / 3.0))
        + p[3] * warm**3 / math.sqrt(volts)
        + p[4] * math.exp(math.sqrt(soc) / warm**2)
        + p[5] * math.exp(soc**3)
    )
    by_charge = p[7] * math.exp(p[8] * c_rate**3 + p[9] * warm**3 * math.sqrt(c_rate))
    _power(rates, CALENDAR, by_time, 1e-4, p[0])
    _power(rates, CYCLE, by_charge, 1e-4, p[6])


@_compiled
def _panasonic(
    rates: Floats, p: Floats, kelvin: float, soc: float, dod: float, c_rate: float
) -> None:
    """Panasonic NCR18650B, NCA-graphite (Keil et al. 2016, JES 163 A1872; Preger et al. 2020,
    JES 167 120532). BLAST-Lite's two temperature factors of the cycle term are exp(1e-13): 1."""
    _power(rates, CALENDAR, p[0] * math.exp((p[1] + p[2] * soc) / kelvin), 1.0, p[3])
    _power(rates, CYCLE, 2.0 * (p[4] + p[5] * c_rate + p[6] * dod), 1.0, p[7])


@_compiled
def _resistance_of_lfp(
    rates: Floats, p: Floats, kelvin: float, soc: float, dod: float, c_rate: float
) -> None:
    """Linear in time and in cycles (Naumann et al. 2018, 2020); ``p`` starts at ``rt_k``. Beyond
    1.05 C the published cycle term would shrink: it stops at zero."""
    by_time = p[0] * math.exp(-p[1] / GAS_J_PER_MOL_K * (1.0 / kelvin - 1.0 / REFERENCE_K))
    by_time *= p[2] * (soc - 0.5) ** 3 + p[3]
    by_charge = max(p[4] * c_rate + p[5], 0.0) * (p[6] * (dod - 0.5) ** 3 + p[7])
    _power(rates, GROWTH_CALENDAR, by_time * DAY_S, 1.0, 1.0)
    _power(rates, GROWTH_CYCLE, by_charge / 100.0, 1.0, 1.0)


@_compiled
def _murata(rates: Floats, p: Floats, kelvin: float, soc: float, dod: float, c_rate: float) -> None:
    """Sony-Murata 3 Ah, LFP-graphite (data of Naumann et al.; Gasper et al. 2022, JES 169
    080518). Without the break-in of the first cycles, which BLAST-Lite counts above three full
    cycles a day only."""
    volts = graphite_v(soc)
    root, third, quarter = math.sqrt(volts), volts ** (1.0 / 3.0), volts**0.25
    end = abs(p[0]) * math.exp(p[1] / kelvin**2 * root + p[2] / kelvin * root)
    bend = abs(p[4]) * math.exp(
        p[5] / kelvin**4 * third
        + p[6] * kelvin**3 * quarter
        + p[7] / kelvin**3 * third
        + p[8] * kelvin**2 * quarter
    )
    by_charge = abs(p[9] + p[10] * dod + p[11] * math.exp(dod**2 * c_rate**3))
    _power(rates, CALENDAR, 1.0, p[3], bend)
    rates[CALENDAR, LIMIT] = end
    _power(rates, CYCLE, 1.0, by_charge, p[12])
    _resistance_of_lfp(rates, p[13:], kelvin, soc, dod, c_rate)


@_compiled
def _naumann(
    rates: Floats, p: Floats, kelvin: float, soc: float, dod: float, c_rate: float
) -> None:
    """The same cell with the authors' own equations (Naumann et al. 2018, J. Energy Storage 17,
    153; 2020, J. Power Sources 451, 227666): square roots of time and of full cycles."""
    by_time = p[0] * math.exp(-p[1] / GAS_J_PER_MOL_K * (1.0 / kelvin - 1.0 / REFERENCE_K))
    by_time *= p[2] * (soc - 0.5) ** 3 + p[3]
    by_charge = (p[4] * c_rate + p[5]) * (p[6] * (dod - 0.6) ** 3 + p[7]) / 100.0
    _power(rates, CALENDAR, by_time * math.sqrt(DAY_S), 1.0, 0.5)
    _power(rates, CYCLE, by_charge, 1.0, 0.5)
    _resistance_of_lfp(rates, p[8:], kelvin, soc, dod, c_rate)


@_compiled
def rates_at(
    rates: Floats, law: int, p: Floats, kelvin: float, soc: float, dod: float, c_rate: float
) -> None:
    """Fill ``rates`` (5, 4) with the mechanisms' rates of a law at constant conditions."""
    rates[:] = 0.0
    rates[:, POWER] = 1.0
    if law == KOKAM:
        _kokam(rates, p, kelvin, soc, dod)
    elif law == POUCH:
        _pouch(rates, p, kelvin, soc, dod, c_rate)
    elif law == LGM50:
        _lgm50(rates, p, kelvin, soc, c_rate)
    elif law == PANASONIC:
        _panasonic(rates, p, kelvin, soc, dod, c_rate)
    elif law == MURATA:
        _murata(rates, p, kelvin, soc, dod, c_rate)
    else:
        _naumann(rates, p, kelvin, soc, dod, c_rate)


@_compiled
def moved_on(y: float, x: float, pace: float, rate: Floats) -> float:
    """A mechanism's value after ``x`` more days or cycles; ``pace`` multiplies its curve."""
    gain, limit = pace * rate[GAIN], rate[LIMIT]
    if x <= 0.0 or gain * rate[SPEED] <= 0.0 or (limit > 0.0 and y >= limit):
        return y
    z = 2.0 * math.atanh(y / limit) if limit > 0.0 else y
    at = (z / gain) ** (1.0 / rate[POWER]) / rate[SPEED]
    z = gain * (rate[SPEED] * (at + x)) ** rate[POWER]
    return float(limit * math.tanh(0.5 * z) if limit > 0.0 else z)


@_compiled
def _advance(
    state: State, rates: Floats, pace: float, growth_pace: float, days: float, efc: float
) -> State:
    calendar, cycle, moved, material, growth_calendar, growth_cycle = state
    return (
        moved_on(calendar, days, pace, rates[CALENDAR]),
        moved_on(cycle, efc, pace, rates[CYCLE]),
        moved + efc,
        moved_on(material, efc, pace, rates[MATERIAL]),
        moved_on(growth_calendar, days, growth_pace, rates[GROWTH_CALENDAR]),
        moved_on(growth_cycle, efc, growth_pace, rates[GROWTH_CYCLE]),
    )


@_compiled
def after(
    state: State,
    law: int,
    p: Floats,
    pace: float,
    growth_pace: float,
    seconds: float,
    temperature_degc: float,
    soc: float,
    efc: float,
    dod: float,
    c_rate: float,
) -> State:
    """The state (the fields of ``ageing.Age``) after a stretch of constant conditions."""
    rates = np.empty((5, 4))
    rates_at(rates, law, p, temperature_degc + ZERO_K, soc, dod, c_rate)
    return _advance(state, rates, pace, growth_pace, seconds / DAY_S, efc)


@_compiled
def through(
    state: State,
    law: int,
    p: Floats,
    pace: float,
    growth_pace: float,
    seconds: Floats,
    temperature_degc: Floats,
    soc: Floats,
    efc: float,
    dod: float,
    c_rate: float,
) -> State:
    """The state after a stretch whose temperature and SoC (n,) hold for ``seconds`` (n,)."""
    rates, mean, total = np.empty((5, 4)), np.zeros((5, 4)), 0.0
    for k in range(seconds.size):
        rates_at(rates, law, p, temperature_degc[k] + ZERO_K, soc[k], dod, c_rate)
        mean += rates * seconds[k]
        total += seconds[k]
    if total <= 0.0:
        return state
    return _advance(state, mean / total, pace, growth_pace, total / DAY_S, efc)


@_compiled
def through_days(
    state: State,
    law: int,
    p: Floats,
    pace: float,
    growth_pace: float,
    seconds: Floats,
    temperature_degc: Floats,
    soc: Floats,
    efc: Floats,
    dod: Floats,
    c_rate: Floats,
) -> State:
    """The state after ``n`` days, one after the other: conditions (n, m) hold for ``seconds``
    (n, m), charge, depth and rate (n,) are each day's own."""
    for day in range(seconds.shape[0]):
        state = through(
            state,
            law,
            p,
            pace,
            growth_pace,
            seconds[day],
            temperature_degc[day],
            soc[day],
            efc[day],
            dod[day],
            c_rate[day],
        )
    return state
