"""A vehicle living through its days: pack, BMS and clock, and the recordings they leave."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evitals.battery import Vehicle
from evitals.twin import cabin, cycles, road, vehicle
from evitals.twin.bms import Bms, quantise
from evitals.twin.pack import Pack, State
from evitals.twin.profile import Profile

Floats = NDArray[np.float64]
REST_STEP_S, CHARGE_STEP_S = 60.0, 30.0
LONGEST_CHARGE_S = 18 * 3600.0
CHARGER_EFFICIENCY = 0.9
RESERVE_SOC = 0.06


@dataclass(frozen=True, slots=True)
class TwinTrip:
    """One recording. ``columns`` are signals (n,) as the vehicle reports them, ``time_s`` from 0.

    ``start_s`` is the first sample in seconds since 1970 UTC. ``hidden`` (true ``soc`` and
    ``current_a``) is for judging only; nothing that writes trips writes it.
    """

    vehicle_id: str
    start_s: int
    columns: dict[str, Floats]
    hidden: dict[str, Floats]

    @property
    def duration_s(self) -> float:
        """Time from first to last sample, s."""
        return float(self.columns["time_s"][-1])


@dataclass(slots=True)
class _Tape:
    """Pieces of the recording being made."""

    start_s: float
    step: list[Floats]
    truth: list[Floats]
    soc: list[Floats]
    speed: list[Floats]


class Recorder:
    """Drives, charges and parks one vehicle. ``now_s`` is its clock; ``efc`` counts since asked."""

    def __init__(
        self,
        who: Vehicle,
        profile: Profile,
        now_s: float,
        rng: np.random.Generator,
        cell: str | None = None,
    ) -> None:
        self.who, self.profile, self.rng = who, profile, rng
        self.car = vehicle.vehicle(profile.model)
        self.now_s = now_s
        self.ambient_degc = profile.mean_degc
        self.state = State(profile.soc, temperature_degc=profile.mean_degc)
        self.bms = Bms(profile.errors, who.battery.sensors, profile.soc)
        self.parked_s = 86_400.0
        self.efc = 0.0
        self.pack = Pack(who.battery, cell or self.car.cell, self.car.pack_mass_kg)
        self.set_age(profile.ageing.soh(profile.age), profile.ageing.growth(profile.age))
        self.tape: _Tape | None = None

    def set_age(self, soh: float, growth: float) -> None:
        """Make the pack as old as stated, with the same state of charge."""
        self.pack = replace(self.pack, soh=soh, growth=growth)

    def park_until(self, time_s: float) -> None:
        """Stand unrecorded until a time; nothing happens if it is past."""
        seconds = max(time_s - self.now_s, 0.0)
        self.state = self.pack.park(self.state, seconds, self.ambient_degc)
        self.parked_s += seconds
        self.now_s += seconds

    def rest(self, seconds: float) -> None:
        """Stand with the telemetry on, a sample a minute."""
        count = int(seconds // REST_STEP_S) + 2
        step = np.full(count, REST_STEP_S)
        step[0] = 1.0
        self._run(step, np.zeros(count), np.zeros(count), awake=False)
        self.parked_s += float(step.sum())

    def drive(self) -> bool:
        """A random trip at 1 Hz, cut short where charge would run out. False: not even begun."""
        longest = float(np.clip(self.rng.lognormal(0.0, 0.6), 0.3, 3.0)) * self.profile.duration_s
        trip = cycles.random_trip(self.rng, longest, self.profile.motorway)
        hvac = cabin.steady_w(self.car.cabin, self.ambient_degc)
        power = road.drive(
            self.car,
            trip.time_s,
            trip.speed_mps,
            ambient_degc=self.ambient_degc,
            always_w=self.car.auxiliary_power_w + hvac,
        ).power_w
        nominal_w = self.who.battery.series * 3.5
        spent = -np.cumsum(power) / nominal_w / 3600.0 / self.pack.capacity_ah
        spare = self.state.soc - self.who.battery.limits.soc_min - RESERVE_SOC
        still = np.flatnonzero((trip.speed_mps == 0.0) & (np.maximum.accumulate(spent) < spare))
        if still.size == 0 or still[-1] < 120:
            return False
        stop = int(still[-1]) + 1
        self._key_on()
        self._run(np.ones(stop), power[:stop], trip.speed_mps[:stop], awake=True)
        return True

    def charge(self, target: float) -> None:
        """Plug in at home until the true SoC reaches ``target``, a sample every 30 s."""
        count = int(LONGEST_CHARGE_S / CHARGE_STEP_S)
        step = np.full(count, CHARGE_STEP_S)
        step[0] = 1.0
        power = np.full(count, self.car.ac_charge_power_w * CHARGER_EFFICIENCY)
        self._key_on()
        self._run(step, power, np.zeros(count), awake=True, soc_stop=target)

    def outing(self, *, rests: bool) -> list[TwinTrip]:
        """Leave, come back and charge when low: one recording with its rests, or one each."""
        rng, found = self.rng, []
        if rests:
            self.rest(float(rng.uniform(3600.0, 7200.0)))
        drove = self.drive()
        if rests:
            self.rest(float(rng.uniform(3600.0, 7200.0)))
        elif drove:
            found.append(self.eject())
            self.park_until(self.now_s + float(rng.uniform(300.0, 7200.0)))
        if not drove or self.state.soc < self.profile.charge_below + rng.uniform(-0.15, 0.15):
            full = self.who.battery.limits.soc_max - 0.02
            self.charge(full * float(rng.uniform(min(max(self.state.soc + 0.1, 0.7), 0.98), 1.0)))
            if rests:
                self.rest(float(rng.uniform(3600.0, 7200.0)))
        found.append(self.eject())
        return [trip for trip in found if trip is not None]

    def _key_on(self) -> None:
        self.bms.key_on(self.parked_s, self.state.soc, self.rng)
        self.parked_s = 0.0

    def _run(
        self, step: Floats, power: Floats, speed: Floats, *, awake: bool, soc_stop: float = 2.0
    ) -> None:
        if self.tape is None:
            self.tape = _Tape(self.now_s, [], [], [], [])
            step = step.copy()
            step[0] = 0.0
        before = self.state.current_a
        trace = self.pack.run(
            self.state, step, power, self.ambient_degc, awake=awake, soc_stop=soc_stop
        )
        self.state = trace.state
        moved = np.concatenate([[before], trace.current_a])
        self.efc += float(np.sum(np.abs(0.5 * (moved[1:] + moved[:-1])) * trace.step_s)) / (
            7200.0 * self.pack.capacity_ah
        )
        soc = np.full(trace.step_s.size, self.bms.soc)
        if awake:
            soc = self.bms.count(trace.step_s, trace.current_a, self.pack.capacity_ah)
        self.now_s += float(trace.step_s.sum())
        self.tape.step.append(trace.step_s)
        self.tape.truth.append(
            np.stack([trace.current_a, trace.voltage_v, trace.temperature_degc, trace.soc])
        )
        self.tape.soc.append(soc)
        self.tape.speed.append(speed[: trace.step_s.size])

    def eject(self) -> TwinTrip | None:
        """End the recording: what sensors and BMS saw since the last one. None if empty."""
        tape, self.tape = self.tape, None
        if tape is None:
            return None
        time = np.cumsum(np.concatenate(tape.step))
        current, voltage, warmth, soc = np.concatenate(tape.truth, axis=1)
        columns = {"time_s": time} | self.bms.measure(current, voltage, warmth, self.rng)
        sensors = self.who.battery.sensors
        columns["soc"] = quantise(np.concatenate(tape.soc), sensors.soc_resolution)
        columns["speed_mps"] = quantise(np.concatenate(tape.speed), 0.01)
        columns["ambient_degc"] = np.full(time.size, float(np.rint(2.0 * self.ambient_degc)) / 2.0)
        self.state = replace(self.state, current_a=0.0)
        return TwinTrip(
            self.who.vehicle_id, int(tape.start_s), columns, {"soc": soc, "current_a": current}
        )
