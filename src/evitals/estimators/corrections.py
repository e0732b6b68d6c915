"""Capacity between two corrections of the BMS's own count: charge over the change of its SoC.

While it counts, a BMS's SoC moves by the capacity it believes in. After a long enough rest many set
the count to the SoC of the rest voltage. Two such readings bound a change of SoC that owes nothing
to that belief: the charge counted between them measures the true capacity, with the error of the
readings. Whether a BMS corrects itself is not assumed but seen, by the jumps of its SoC over rests
in which no charge flowed. Segments on both sides of a rest may lie in different recordings; what
flowed unrecorded shows as a jump too large to be a correction.
"""

import math
from typing import Any

from evitals.battery import Battery
from evitals.errors import InputError
from evitals.estimators.answer import Segment
from evitals.estimators.capacity import (
    MODEL_SIGMA,
    PLAUSIBLE,
    Measurement,
    accepted,
    broken,
    refused,
)
from evitals.features import INDEX

MIN_REST_S = 3600.0
"""Parked this long, a BMS may read the rest voltage."""
MAX_REST_S = 3.0 * 86400.0
"""Nothing recorded for longer: what flowed meanwhile is anyone's guess."""
READING_SIGMA = 0.007
"""Error of a corrected SoC, a fraction: 5 mV of a cell's rest voltage on a slope of 0.7 V."""
MAX_JUMP = 0.10
"""A larger change of SoC over a rest is charge that nobody recorded."""
MIN_JUMP = 0.004
"""A change of SoC over a rest beyond this and 1.5 steps of its resolution is a correction."""
MIN_CORRECTIONS = 3
MIN_CORRECTED_SHARE = 0.25
MIN_CHARGE = 0.06
"""Net charge between two readings, over the reference capacity."""
STANDBY_A_PER_AH = 0.0005
"""Current that may flow unseen while parked, per Ah of reference capacity: 0.03 A of 60 Ah."""


class CorrectionChain:
    """Charge since a corrected SoC reading: ``reset / step / state / restore``, in event order.

    ``step`` returns the measurement a segment brought, or None where it brought none.
    """

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        resolution = battery.sensors.soc_resolution
        self._jump = max(MIN_JUMP, 1.5 * resolution)
        self._reading = math.hypot(READING_SIGMA, resolution / math.sqrt(12.0))
        self.reset()

    def reset(self) -> None:
        """Forget every segment."""
        self._rests = self._corrections = 0
        self._lose()

    def _lose(self) -> None:
        """Forget the chain, not what is known of the BMS's habit."""
        self._reading_soc = self._soc = self._end_s = math.nan
        self._forget()
        self._parked = 0.0

    def _forget(self) -> None:
        self._charge = self._seconds = self._variance = self._standing = 0.0

    def step(self, segment: Segment) -> Measurement | None:
        """Fold one segment. Charge of a rest is not counted: it is the sensor's offset."""
        if segment.event_assumed or broken(segment):
            self._lose()
            return None
        self._parked += max(segment.event_s - self._end_s, 0.0) if self._end_s == self._end_s else 0
        self._end_s = segment.event_s + segment.duration_s
        if segment.kind == "rest":
            self._parked += segment.duration_s
            return None
        first, last = (float(segment.features[INDEX[name]]) for name in ("soc_first", "soc_last"))
        if math.isnan(first) or math.isnan(last):
            self._lose()
            return None
        made = self._woken(segment, first) if self._parked >= MIN_REST_S else None
        self._parked = 0.0
        self._charge += float(segment.features[INDEX["net_charge_ah"]])
        self._variance += float(segment.features[INDEX["charge_sigma_ah"]]) ** 2
        self._seconds += segment.duration_s
        self._soc = last
        return made

    def _woken(self, segment: Segment, soc: float) -> Measurement | None:
        """A reading after a rest: a correction, maybe a measurement, maybe the end of a chain."""
        jump = abs(soc - self._soc)
        if not jump <= MAX_JUMP or self._parked > MAX_REST_S:
            self._reading_soc = soc
            self._forget()
            return None
        self._standing += self._parked
        self._rests += 1
        self._corrections += jump > self._jump
        if math.isnan(self._reading_soc):
            self._reading_soc = soc
            self._forget()
            return None
        if abs(self._charge) < MIN_CHARGE * self._battery.reference_capacity_ah:
            return None
        made = self._compare(segment, soc)
        self._reading_soc = soc
        self._forget()
        return made

    def _compare(self, segment: Segment, soc: float) -> Measurement:
        delta, charge = soc - self._reading_soc, self._charge
        reference = self._battery.reference_capacity_ah
        capacity = charge / delta if delta else math.nan
        reason = self._refusal(capacity)
        if reason:
            return refused(segment, "bms_rest", reason, delta_soc=delta, charge_ah=charge)
        # Relative to the charge, not to the SoC read: so its errors do not weigh themselves.
        readings = math.sqrt(2.0) * self._reading * reference / abs(charge)
        standby = STANDBY_A_PER_AH * reference * self._standing / 3600.0 / abs(charge)
        return accepted(
            segment,
            self._battery,
            "bms_rest",
            capacity,
            delta,
            charge,
            sigma=math.hypot(
                readings, standby, math.sqrt(self._variance) / abs(charge), MODEL_SIGMA
            ),
            offset_per_a=self._seconds / 3600.0 / charge,
        )

    def _refusal(self, capacity: float) -> str:
        low, high = (share * self._battery.reference_capacity_ah for share in PLAUSIBLE)
        often = self._corrections >= MIN_CORRECTED_SHARE * self._rests
        if self._corrections < MIN_CORRECTIONS or not often:
            return "no_correction"
        if not capacity > 0.0:
            return "sign_flip"
        return "" if low <= capacity <= high else "implausible_capacity"

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data, unknown numbers as null."""
        chain = (self._reading_soc, self._soc, self._end_s)
        return {
            "habit": [self._rests, self._corrections],
            "chain": [None if math.isnan(x) else x for x in chain],
            "sums": [self._charge, self._seconds, self._variance, self._standing, self._parked],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        try:
            rests, corrections = (int(x) for x in state["habit"])
            reading, soc, end = (math.nan if x is None else float(x) for x in state["chain"])
            charge, seconds, variance, standing, parked = (float(x) for x in state["sums"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "state", state, "is not a correction chain's", "replay the battery's trips"
            ) from error
        self._rests, self._corrections = rests, corrections
        self._reading_soc, self._soc, self._end_s = reading, soc, end
        self._charge, self._seconds, self._variance = charge, seconds, variance
        self._standing, self._parked = standing, parked
