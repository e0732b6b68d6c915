"""A vehicle living through its days: pack, cabin, BMS and clock, and the recordings they leave.

Everything that runs along samples is compiled: journey, cabin, road, circuit, report. Python is
met a few dozen times a trip.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from evitals.battery import Vehicle
from evitals.twin import bms, cabin, circuit, journeys, road, vehicle
from evitals.twin.balance import NEW, Balance
from evitals.twin.bms import Bms
from evitals.twin.charging import CHOICES, Session
from evitals.twin.faults import NONE, Effect
from evitals.twin.pack import Weakest
from evitals.twin.profile import Profile, Route

Floats = NDArray[np.float64]
REST_STEP_S = 60.0
REST_S = (3600.0, 7200.0)
"""A recorded rest, uniform between."""
RESERVE_SOC = 0.06
LEAST_TRIP_S = 120
NOMINAL_CELL_V = 3.3
"""Volts by which a trip's need is guessed before it is driven: low, so that nobody strands."""
MORNING_S = 5.5 * 3600.0
"""Whatever the charge, somebody unplugs at this hour."""
SUN_W, NOON_HOUR = 250.0, 13.0
"""Sun through the glass at noon, an average over weather and seasons: an own round figure."""
WIND_MPS = 5.0
"""Strongest head or tail wind, uniform between."""
TRAFFIC = 0.25
"""How much a route's time varies from day to day (log-normal deviation)."""
DAY_S = 86_400.0
NEVER = 9.0
"""A SoC that no charge reaches."""
BALANCED_AH = 0.5
"""What a BMS takes off all other cells a day so that a lagging one catches up (0.1 A for 5 h)."""
WORKSHOP_SOC = 0.2
"""A cell that lags this far behind is brought level in a workshop, whatever ails it."""

_MOVED_AS, _FLOWING_S, _DEGC_S, _SOC_S, _SECONDS, _LOWEST, _HIGHEST = range(7)

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, error_model="numpy")(function))


@dataclass(frozen=True, slots=True)
class TwinTrip:
    """One recording. ``columns`` are signals (n,) as the vehicle reports them, ``time_s`` from 0.

    ``start_s`` is the first sample in seconds since 1970 UTC by the vehicle's clock. Samples may
    be NaN, rows may be missing. ``hidden`` (true ``soc``, ``current_a``, ``temperature_degc`` of
    the same rows) is for judging only; nothing that writes trips writes it, nor ``pack``: what
    ``circuit.kernel`` needs to go on from the recording's end (state, parameters, tables).
    """

    vehicle_id: str
    start_s: int
    columns: dict[str, Floats]
    hidden: dict[str, Floats]
    pack: tuple[Floats, Floats, Floats] | None = None

    @property
    def duration_s(self) -> float:
        """Time from first to last sample, s."""
        return float(self.columns["time_s"][-1])


@dataclass(frozen=True, slots=True)
class Wear:
    """What a stretch of life did to a battery, as ``ageing`` wants it; means over time."""

    seconds: float
    temperature_degc: float
    soc: float
    efc: float
    dod: float
    c_rate: float


@_compiled
def _tally(
    step_s: Floats,
    current_a: Floats,
    soc: Floats,
    temperature_degc: Floats,
    last_a: float,
    last_degc: float,
    t: Floats,
) -> float:
    """Add a trace to the tally ``t`` (7,) of charge moved, time under current, means and bounds.

    Returns how long it took, s.
    """
    before, warmth, seconds = last_a, last_degc, 0.0
    for k in range(step_s.size):
        dt, now = step_s[k], current_a[k]
        t[_MOVED_AS] += abs(0.5 * (before + now)) * dt
        if before != 0.0 or now != 0.0:
            t[_FLOWING_S] += dt
        # Parked, a step takes hours: the pack cools within it.
        t[_DEGC_S] += 0.5 * (warmth + temperature_degc[k]) * dt
        t[_SOC_S] += soc[k] * dt
        seconds += dt
        t[_LOWEST] = min(t[_LOWEST], soc[k])
        t[_HIGHEST] = max(t[_HIGHEST], soc[k])
        before, warmth = now, temperature_degc[k]
    t[_SECONDS] += seconds
    return seconds


@_compiled
def _reach(step_s: Floats, power_w: Floats, speed_mps: Floats, spare_j: float) -> int:
    """Samples up to the last standstill before ``spare_j`` is spent, 0 where there is none."""
    left, most, stop = spare_j, spare_j, 0
    for k in range(step_s.size):
        left += power_w[k] * step_s[k]
        most = min(most, left)
        if most <= 0.0:
            break
        if speed_mps[k] == 0.0:
            stop = k + 1
    return stop


class Recorder:
    """Drives, charges and parks one vehicle. ``now_s`` is its (true) clock."""

    def __init__(
        self,
        who: Vehicle,
        profile: Profile,
        now_s: float,
        rng: np.random.Generator,
        cell_name: str | None = None,
    ) -> None:
        self.who, self.profile, self.rng = who, profile, rng
        self.car = vehicle.vehicle(profile.model)
        self.new = replace(
            vehicle.pack_of(self.car), battery=who.battery, cell=cell_name or self.car.cell
        )
        self.limits = who.battery.limits
        self.now_s, self.parked_s = now_s, DAY_S
        self.effect = NONE
        degc = profile.climate.ambient_degc(now_s)
        self.state = np.zeros(circuit.STATES)
        self.state[circuit.STATE_SOC], self.state[circuit.STATE_DEGC] = profile.soc, degc
        self.cabin_state = np.full(2, degc)
        self.road_p, self.cabin_p = road.parameters(self.car), self.car.cabin.parameters()
        reference_ah = who.battery.reference_capacity_ah
        believed_ah = reference_ah * profile.believed_soh * (1.0 + profile.errors.capacity_error)
        self.bms = Bms(
            profile.errors,
            who.battery.sensors,
            profile.soc,
            believed_ah,
            int(rng.integers(2**63)),
        )
        self.tally = np.zeros(7)
        self.space = np.ones((7, 0))
        self._forget()
        self.pieces: list[tuple[Floats, int]] = []
        self.start_s = now_s
        self.weakest = Weakest.expected(who.battery.series, who.battery.parallel)
        self.set_age(profile.ageing.soh(profile.age), profile.ageing.growth(profile.age))

    def set_age(
        self, soh: float, growth: float, balance: Balance = NEW, effect: Effect = NONE
    ) -> None:
        """Make the pack as old and as faulty as stated, with the same state of charge."""
        self.effect = effect
        if effect is not self.bms.effect:
            self.bms.suffer(effect)
        weakest = Weakest(
            capacity_factor=self.weakest.capacity_factor * (1.0 - effect.weak_loss),
            resistance_factor=self.weakest.resistance_factor / (1.0 - effect.weak_loss),
            leak_a=effect.leak_a,
        )
        pack = replace(
            self.new,
            soh=soh,
            growth=growth,
            balance=balance,
            weakest=weakest,
            cooling=effect.cooling,
        )
        self.capacity_ah = pack.capacity_ah
        self.pack_p, self.tables = pack.parameters(), pack.tables()

    @property
    def usable_ah(self) -> float:
        """Charge between the weakest cell full and empty, Ah."""
        return self.capacity_ah * float(self.pack_p[circuit.WEAK_CAPACITY])

    @property
    def floor(self) -> float:
        """SoC of the average cell below which nobody drives: reserve left in the weakest one."""
        least = self.limits.soc_min + RESERVE_SOC
        weak = float(self.pack_p[circuit.WEAK_CAPACITY])
        lag = float(self.state[circuit.STATE_WEAK_DRIFT])
        return max(least, 1.0 + weak * (least - 1.0 - lag))

    def level(self) -> None:
        """A day of balancing: the others give up charge until the lagging cell has caught up."""
        lag = -float(self.state[circuit.STATE_WEAK_DRIFT])
        if lag > WORKSHOP_SOC:
            self.state[circuit.STATE_WEAK_DRIFT] = 0.0
        elif lag > 0.0:
            step = min(lag, BALANCED_AH / self.capacity_ah, self.soc)
            self.state[circuit.STATE_WEAK_DRIFT] += step
            self.state[circuit.STATE_SOC] -= step

    def worn(self) -> Wear:
        """What happened to the battery since this was asked last, parking included."""
        t = self.tally.tolist()
        seconds, flowing = max(t[_SECONDS], 1.0), max(t[_FLOWING_S], 1.0)
        reference_as = 3600.0 * self.who.battery.reference_capacity_ah
        wear = Wear(
            seconds=seconds,
            temperature_degc=t[_DEGC_S] / seconds,
            soc=min(max(t[_SOC_S] / seconds, 0.0), 1.0),
            efc=t[_MOVED_AS] / 2.0 / reference_as,
            dod=min(max(t[_HIGHEST] - t[_LOWEST], 0.0), 1.0),
            c_rate=t[_MOVED_AS] / flowing / reference_as * 3600.0,
        )
        self._forget()
        return wear

    def _forget(self) -> None:
        self.tally[:] = 0.0
        self.tally[_LOWEST] = self.tally[_HIGHEST] = self.state[circuit.STATE_SOC]

    @property
    def soc(self) -> float:
        """True state of charge."""
        return float(self.state[circuit.STATE_SOC])

    def park_until(self, time_s: float) -> None:
        """Stand unrecorded until a time; nothing happens if it is past."""
        seconds = time_s - self.now_s
        if seconds <= 0.0:
            return
        ambient = self.profile.climate.ambient_degc(self.now_s + 0.5 * seconds)
        self._flow(np.array([seconds]), np.zeros(1), ambient, awake=False)
        cabin.park(seconds, ambient, 0.0, self.cabin_p, self.cabin_state)
        self.parked_s += seconds
        self.now_s += seconds

    def rest(self, seconds: float) -> None:
        """Stand with the telemetry on, a sample a minute."""
        count = int(seconds // REST_STEP_S) + 2
        step = np.full(count, REST_STEP_S)
        step[0] = 1.0
        ambient = self.profile.climate.ambient_degc(self.now_s)
        self._record(step, np.zeros(count), np.zeros(count), ambient, awake=False)
        seconds = float(step.sum())
        cabin.park(seconds, ambient, 0.0, self.cabin_p, self.cabin_state)
        self.parked_s += seconds

    def drive(self, route: Route, duration_s: float) -> bool:
        """A trip at 1 Hz, cut short where charge would run out. False: not even begun."""
        chances: list[float] = self.rng.random(2).tolist()
        space = self._space(int(duration_s) + journeys.TAIL_S)
        n = journeys.fill(self.rng, route.style, int(duration_s), space[0], space[1])
        speed, grade, always, power, reached, step, time = space[:, :n]
        ambient = self.profile.climate.ambient_degc(self.now_s)
        began = self.cabin_state.copy()
        cabin.power_w(step, ambient, self._sun_w(), self.cabin_p, self.cabin_state, always)
        always += self.car.auxiliary_power_w
        road.power(
            time,
            speed,
            grade,
            ambient,
            WIND_MPS * (2.0 * chances[0] - 1.0),
            route.payload_kg * (0.5 + chances[1]),
            self.road_p,
            always,
            road.SYMMETRIC,
            power,
            reached,
        )
        spare = self.soc - self.floor
        volts = NOMINAL_CELL_V * self.who.battery.series
        stop = _reach(step, power, reached, spare * 3600.0 * self.capacity_ah * volts)
        if stop < LEAST_TRIP_S:
            self.cabin_state = began
            return False
        self._key_on()
        self._record(step[:stop], power[:stop], reached[:stop], ambient, awake=True)
        return True

    def _space(self, size: int) -> Floats:
        """Rows to work in, at least (7, size): five free ones, steps of 1 s and their times."""
        if self.space.shape[1] < size:
            self.space = np.ones((7, size))
            self.space[6] = np.arange(size)
        return self.space

    def charge(self, session: Session) -> None:
        """Charge until the true SoC reaches the session's target, its time is up or it is dawn."""
        dawn_s = math.floor(self.now_s / DAY_S) * DAY_S + MORNING_S
        if dawn_s < self.now_s + 3600.0:
            dawn_s += DAY_S
        longest_s = min(session.longest_s, dawn_s - self.now_s)
        count = int(longest_s / session.step_s) + 1
        step = np.full(count, session.step_s)
        step[0] = 1.0
        ambient = self.profile.climate.ambient_degc(self.now_s)
        self._key_on()
        self._record(
            step,
            np.full(count, session.power_w),
            np.zeros(count),
            ambient,
            awake=True,
            soc_stop=session.target_soc,
        )

    def outing(self, *, rests: bool, last: bool) -> list[TwinTrip]:
        """Leave, come back and charge by habit: one recording with its rests, or one each.

        ``last``: no other outing begins today.
        """
        chances: list[float] = self.rng.random(CHOICES + 5).tolist()
        found: list[TwinTrip | None] = []
        routes = self.profile.routes
        route = routes[int(chances[-1] * len(routes))]
        if rests:
            self.rest(_between(REST_S, chances[-2]))
        drove = self.drive(route, route.duration_s * self._traffic())
        if rests:
            self.rest(_between(REST_S, chances[-3]))
        elif drove:
            found.append(self.eject())
        # Who cannot use all of the charge feels emptier.
        soc = self.soc - self.floor + self.limits.soc_min + RESERVE_SOC if drove else 0.0
        session = self.profile.habit.after(soc, self.limits.soc_max, last, chances)
        if session is not None:
            if not rests:
                self.park_until(math.ceil(self.now_s + session.delay_s))
            self.charge(session)
            if rests:
                self.rest(_between(REST_S, chances[-4]))
        found.append(self.eject())
        return [trip for trip in found if trip is not None]

    def _traffic(self) -> float:
        return math.exp(TRAFFIC * float(self.rng.standard_normal()))

    def _sun_w(self) -> float:
        hour = self.now_s % DAY_S / 3600.0
        return SUN_W * max(math.cos(2.0 * math.pi * (hour - NOON_HOUR) / 24.0), 0.0)

    def _key_on(self) -> None:
        self.bms.key_on(self.parked_s, self.soc, float(self.rng.random()), self._slope_v())
        self.parked_s = 0.0

    def _slope_v(self) -> float:
        """Rise of a cell's OCV over 2 % of SoC around the present one, per unit of SoC."""
        at = min(max(int(self.soc * (circuit.GRID - 1)), 4), circuit.GRID - 5)
        return float(self.tables[at + 4, 0] - self.tables[at - 4, 0]) * (circuit.GRID - 1) / 8.0

    def _flow(
        self, step: Floats, power: Floats, ambient: float, *, awake: bool, soc_stop: float = NEVER
    ) -> tuple[Floats, float]:
        """Run the pack: true rows (see ``circuit``) of the samples done, and how long they took.

        Moves state and tally.
        """
        last_a, last_degc = self.state[circuit.STATE_A], self.state[circuit.STATE_DEGC]
        out = np.empty((circuit.OUTPUTS, step.size))
        done = circuit.kernel(
            step, power, ambient, awake, soc_stop, self.pack_p, self.tables, self.state, out
        )
        out = out[:, :done]
        seconds = _tally(
            step[:done],
            out[circuit.CURRENT_A],
            out[circuit.SOC],
            out[circuit.TEMPERATURE_DEGC],
            last_a,
            last_degc,
            self.tally,
        )
        return out, seconds

    def _record(
        self,
        step: Floats,
        power: Floats,
        speed: Floats,
        ambient: float,
        *,
        awake: bool,
        soc_stop: float = NEVER,
    ) -> None:
        """Run the pack and take down what is reported of it."""
        if not self.pieces:
            self.start_s = self.now_s
            # The first sample has no time before it.
            step = step.copy()
            step[0] = 0.0
            self._begin()
        true, seconds = self._flow(step, power, ambient, awake=awake, soc_stop=soc_stop)
        done = true.shape[1]
        reported = np.empty((bms.ROWS, done))
        kept = bms.report(
            step[:done],
            true,
            speed[:done],
            ambient,
            awake,
            self.bms.p,
            self.bms.s,
            self.bms.random,
            bms.NORMAL,
            reported,
        )
        self.now_s += seconds
        self.pieces.append((reported, kept))

    def _begin(self) -> None:
        """Start the recording's clock; a clock that breaks today breaks in its first recording."""
        if self.effect.clock_breaks and self.effect.clock_s > 0.0:
            self.bms.begin(300.0, self.effect.clock_s)
        else:
            self.bms.begin()

    def eject(self) -> TwinTrip | None:
        """End the recording: what sensors and BMS saw since the last one. None if empty."""
        pieces, self.pieces = self.pieces, []
        self.state[circuit.STATE_A] = 0.0
        if not pieces:
            return None
        rows = pieces[0][0][:, : pieces[0][1]]
        if len(pieces) > 1:
            rows = np.concatenate([piece[:, :kept] for piece, kept in pieces], axis=1)
        return TwinTrip(
            self.who.vehicle_id,
            int(self.start_s + self.effect.clock_s),
            dict(zip(bms.COLUMNS, rows, strict=False)),
            dict(zip(bms.HIDDEN, rows[len(bms.COLUMNS) :], strict=True)),
            (self.state.copy(), self.pack_p, self.tables),
        )


def _between(bounds: tuple[float, float], chance: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * chance
