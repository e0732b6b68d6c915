"""Capacity between the rests of one continuous recording: charge over the change of OCV.

A rest's voltage gives SoC through the chemistry's OCV table. What that table may be wrong by is a
smooth curve over SoC, the same in every measurement of a battery, so it is a state of the health
filter: ``Measurement.table`` says how much each of its nodes moves this measurement.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.battery import Battery
from evitals.cells.chemistry import Chemistry, chemistry
from evitals.errors import InputError, UnsupportedChemistry
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

MIN_DELTA_SOC_OCV = 0.15
COLD_OCV_DEGC = 0.0
"""Below it a cell does not relax within hours."""
MIN_REST_S = 1800.0
MAX_DRIFT_V_PER_H = 0.02
"""Of a cell: beyond it the rest has not relaxed."""
RELAXATION_H = 0.25
"""How long the drift at a rest's end would have to go on to reach the equilibrium."""
RELAXATION_V = 0.002
MIN_OCV_SLOPE_V = 0.25
"""dV/dSoC of a cell below which a voltage tells no SoC."""
TABLE_SIGMA_V = 0.025
"""Standard deviation of the OCV table's error for a cell the table fits, V. The spread over cells
sold under one name is wider (``Chemistry.ocv_sigma_v``); those farther off fail the next test."""
MAX_TABLE_DEVIATION = 0.12
"""SoC from a rest against the BMS's SoC: farther apart, the table is another cell's. About three
standard deviations of the table's error where the OCV is flattest."""
TABLE_SPACING = 0.2
TABLE_NODES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""SoC at which the OCV table's error is a state of the filter."""
TABLE_FINE = 0.4
"""Part of the OCV table's error, relative, that is finer than the nodes: independent."""
TABLE_CORRELATION = 0.2
"""SoC distance over which that error changes (length of a squared exponential)."""


class Anchor(Struct, frozen=True, kw_only=True):
    """A rest: SoC from its voltage, the table's slope (V per unit of SoC) and the voltage error."""

    soc: float
    slope_v: float
    sigma_v: float


class RestChain:
    """Charge since the last rest of a continuous recording: ``reset / step / state / restore``.

    ``step`` returns the measurement a segment brought, or None where it only adds charge.
    """

    def __init__(self, battery: Battery) -> None:
        self._battery = battery
        self._tables: Chemistry | None
        try:
            self._tables = chemistry(battery.chemistry)
        except UnsupportedChemistry:
            self._tables = None
        self.reset()

    def reset(self) -> None:
        """Forget the recording."""
        self._anchor: Anchor | None = None
        self._charge_ah = self._seconds = self._variance = 0.0
        self._moved = False
        self._lost = "no_rest"

    def step(self, segment: Segment) -> Measurement | None:
        """Fold one segment, in the order of the recording."""
        if not segment.continues:
            self.reset()
        if self._tables is None:
            return (
                None if segment.kind == "rest" else self._refuse(segment, "unsupported_chemistry")
            )
        reason = broken(segment)
        if reason:
            self.reset()
            self._lost = reason
            return self._refuse(segment, reason) if segment.kind != "rest" else None
        self._add(segment)
        if segment.kind != "rest":
            return None if self._anchor else self._refuse(segment, self._lost)
        return self._rested(segment, self._tables)

    def _add(self, segment: Segment) -> None:
        f = segment.features
        self._charge_ah += float(f[INDEX["net_charge_ah"]])
        self._variance += float(f[INDEX["charge_sigma_ah"]]) ** 2
        self._seconds += segment.duration_s
        self._moved |= segment.kind != "rest"

    def _rested(self, segment: Segment, tables: Chemistry) -> Measurement | None:
        before, after = self._anchor, self._read(segment, tables)
        if isinstance(after, str):
            return self._refuse(segment, after) if self._moved else None
        made = self._compare(segment, before, after) if before and self._moved else None
        if made is None and self._moved:
            made = self._refuse(segment, self._lost)
        self._anchor = after
        self._charge_ah = self._seconds = self._variance = 0.0
        self._moved = False
        return made

    def _read(self, segment: Segment, tables: Chemistry) -> Anchor | str:
        """SoC at the end of a rest, or why there is none."""
        f, n = segment.features, self._battery.series
        volts = float(f[INDEX["rest_end_voltage_v"]]) / n
        degc = float(f[INDEX["rest_end_temperature_degc"]])
        drift = abs(float(f[INDEX["rest_end_slope_v_per_h"]])) / n
        if not (
            f[INDEX["rest_end_s"]] >= MIN_REST_S and drift <= MAX_DRIFT_V_PER_H and volts > 0.0
        ):
            return "no_rest"
        if degc < COLD_OCV_DEGC:
            return "cold"
        soc, slope = tables.soc_from_ocv(volts, 25.0 if math.isnan(degc) else degc)
        if not (slope >= MIN_OCV_SLOPE_V and 0.0 < soc < 1.0):
            return "ocv_flat"
        resolution = self._battery.sensors.voltage_resolution_v / n / math.sqrt(12.0)
        reported = float(f[INDEX["soc_last"]])
        if abs(float(soc) - reported) > MAX_TABLE_DEVIATION:
            return "table_unfit"
        fine = TABLE_FINE * TABLE_SIGMA_V
        sigma = math.hypot(resolution, RELAXATION_V, RELAXATION_H * drift, fine)
        return Anchor(soc=float(soc), slope_v=float(slope), sigma_v=sigma)

    def _compare(self, segment: Segment, before: Anchor, after: Anchor) -> Measurement:
        delta, charge = after.soc - before.soc, self._charge_ah
        capacity = charge / delta if delta else math.nan
        known = {"delta_soc": delta, "charge_ah": charge}
        if abs(delta) < MIN_DELTA_SOC_OCV:
            return self._refuse(segment, "low_delta_soc", **known)
        if capacity <= 0.0:
            return self._refuse(segment, "sign_flip", **known)
        low, high = (share * self._battery.reference_capacity_ah for share in PLAUSIBLE)
        if not low <= capacity <= high:
            return self._refuse(segment, "implausible_capacity", **known)
        table = table_row(before, after)
        return accepted(
            segment,
            self._battery,
            "ocv",
            capacity,
            delta,
            charge,
            sigma=math.hypot(
                math.hypot(before.sigma_v / before.slope_v, after.sigma_v / after.slope_v) / delta,
                math.sqrt(self._variance) / charge,
                MODEL_SIGMA,
            ),
            offset_per_a=self._seconds / 3600.0 / charge,
            table=table,
            table_error=table_sigma(table, TABLE_SIGMA_V),
        )

    def _refuse(self, segment: Segment, reason: str, **known: float) -> Measurement:
        return refused(segment, "ocv", reason, **known)

    def state(self) -> dict[str, Any]:
        """The checkpoint: plain JSON-able data."""
        a = self._anchor
        return {
            "anchor": None if a is None else [a.soc, a.slope_v, a.sigma_v],
            "sums": [self._charge_ah, self._seconds, self._variance],
            "moved": self._moved,
            "lost": self._lost,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()``. Raises InputError where it does not hold one."""
        try:
            a = state["anchor"]
            anchor = None if a is None else Anchor(soc=a[0], slope_v=a[1], sigma_v=a[2])
            charge, seconds, variance = (float(x) for x in state["sums"])
            moved, lost = bool(state["moved"]), str(state["lost"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                "state", state, "is not a rest chain's", "replay the battery's trips"
            ) from error
        self._anchor, self._moved, self._lost = anchor, moved, lost
        self._charge_ah, self._seconds, self._variance = charge, seconds, variance


def table_row(before: Anchor, after: Anchor) -> tuple[float, ...]:
    """Error of ln capacity for one volt of OCV table error at each of ``TABLE_NODES``.

    The table's error is a curve over SoC, straight between the nodes. A rest's SoC is off by the
    error there over the table's slope, and capacity by the difference of both over the change.
    """
    delta = after.soc - before.soc
    return tuple(
        (_hat(k, before.soc) / before.slope_v - _hat(k, after.soc) / after.slope_v) / delta
        for k in range(len(TABLE_NODES))
    )


def _hat(k: int, soc: float) -> float:
    return max(0.0, 1.0 - abs(soc - TABLE_NODES[k]) / TABLE_SPACING)


def table_covariance(sigma_v: float) -> NDArray[np.float64]:
    """Prior covariance (V^2) of the OCV table's error at ``TABLE_NODES``: a smooth curve."""
    nodes = np.array(TABLE_NODES)
    distance = (nodes[:, None] - nodes[None, :]) / TABLE_CORRELATION
    covariance: NDArray[np.float64] = sigma_v**2 * np.exp(-0.5 * distance**2)
    return covariance


def table_sigma(row: Sequence[float], sigma_v: float) -> float:
    """Standard deviation of ln capacity from the OCV table's error alone."""
    r = np.array(row)
    return math.sqrt(max(float(r @ table_covariance(sigma_v) @ r), 0.0))
