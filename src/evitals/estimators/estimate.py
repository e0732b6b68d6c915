"""The one shape of every answer: value, interval, validity, reasons."""

from typing import Literal

from msgspec import Struct

Validity = Literal["valid", "doubtful", "unknown"]


class Estimate(Struct, frozen=True, kw_only=True):
    """A value with its 90 % interval, or "unknown" with the reasons.

    ``reasons`` are stable snake_case codes: why it is unknown or doubtful. ``source`` is the
    method or model that answered ("bms_soc", "ocv", "circuit", ...).
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    validity: Validity = "unknown"
    reasons: tuple[str, ...] = ()
    source: str = ""


def unknown(*reasons: str, source: str = "") -> Estimate:
    """No value, and why."""
    return Estimate(reasons=reasons, source=source)
