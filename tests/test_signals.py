"""Signals carry their unit in their name and a range that is not empty."""

import pytest

from evitals.signals import RESULTS, SIGNALS, Signal

SUFFIX = {
    "s": "_s", "A": "_a", "V": "_v", "degC": "_degc", "W": "_w", "Ah": "_ah", "kWh": "_kwh",
    "m/s": "_mps", "m": "_m", "km": "_km", "ohm": "_ohm",
}  # fmt: skip


@pytest.mark.parametrize("signal", [*SIGNALS.values(), *RESULTS.values()], ids=lambda s: s.name)
def test_signal(signal: Signal) -> None:
    assert signal.low < signal.high
    assert signal.name.isidentifier()
    assert signal.meaning
    if signal.unit != "1":
        assert signal.name.endswith(SUFFIX[signal.unit])
