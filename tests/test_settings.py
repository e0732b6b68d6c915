"""Settings come from the environment, checked."""

from pathlib import Path

import pytest

from evitals.errors import SettingsError
from evitals.settings import Settings


def test_environment_then_overrides() -> None:
    settings = Settings.load({"EVITALS_PORT": "9000", "EVITALS_HOME": "/data"}, port=9001)
    assert settings.port == 9001
    assert settings.home == Path("/data")


def test_none_overrides_nothing() -> None:
    assert Settings.load({"EVITALS_PORT": "9000"}, port=None).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVITALS_PORT", "http"),
        ("EVITALS_PORT", "70000"),
        ("EVITALS_SOH_MONITOR", "80"),
        ("EVITALS_LIVE_INTERVAL_S", "0"),
        ("EVITALS_KEEP_DAYS", "-1"),
    ],
)
def test_a_bad_value_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        Settings.load({name: value})


def test_an_override_nobody_knows_is_refused() -> None:
    with pytest.raises(SettingsError, match="colour"):
        Settings.load({}, colour="red")


def test_every_setting_says_what_it_means() -> None:
    for about in Settings.described():
        assert len(about.meaning) > 10
