"""Climate of named places: as the source says over a year, warmest in the afternoon, repeatable."""

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.twin import places
from evitals.twin.places import DAY_S, Climate

DAYS = np.arange(20_089, 20_089 + 4 * 365)
"""Four years from 2025-01-01."""
NAMES = sorted(places.places())


def test_there_are_at_least_eight_places_each_with_its_source() -> None:
    assert len(NAMES) >= 8
    assert all(len(place.source) > 30 for place in places.places().values())


@pytest.mark.parametrize("name", NAMES)
def test_months_come_out_as_the_source_says(name: str) -> None:
    found = places.place(name)
    month = np.minimum((DAYS % 365.25 / (365.25 / 12)).astype(int), 11)
    climates = [Climate(name, seed) for seed in range(12)]
    degc = np.array([[c.day_degc(int(day)) for day in DAYS] for c in climates])
    for number in range(12):
        mean = degc[:, month == number].mean()
        # Straight lines between mid-months cut the peaks a little.
        assert mean == pytest.approx(found.mean_degc[number], abs=1.0 + 0.1 * found.weather_k)


@pytest.mark.parametrize("name", NAMES)
def test_the_day_swings_as_stated_and_is_warmest_at_three(name: str) -> None:
    found, climate = places.place(name), Climate(name, 1)
    july = 20_089 + 196
    hours = np.array([climate.ambient_degc(july * DAY_S + h * 3600.0) for h in range(24)])
    assert int(np.argmax(hours)) == 15
    assert np.ptp(hours) == pytest.approx(found.swing_k[6], abs=0.5)
    assert hours.mean() == pytest.approx(climate.day_degc(july), abs=0.01)


def test_weather_changes_slowly_and_has_its_stated_size() -> None:
    one, calm = Climate("berlin", 7), places.place("berlin").mean_degc
    degc = np.array([one.day_degc(int(day)) for day in DAYS])
    season = np.array([np.mean([Climate("berlin", s).day_degc(int(d)) for s in range(40)])
                       for d in DAYS[:365]])  # fmt: skip
    off = degc[:365] - season
    assert off.std() == pytest.approx(places.place("berlin").weather_k, rel=0.2)
    assert np.corrcoef(off[1:], off[:-1])[0, 1] == pytest.approx(places.WEATHER_KEPT, abs=0.15)
    assert degc.max() < max(calm) + 15.0


def test_the_weather_is_of_the_place_and_the_seed() -> None:
    day = 20_300
    assert Climate("oslo", 3).day_degc(day) == Climate("oslo", 3).day_degc(day)
    assert Climate("oslo", 3).day_degc(day) != Climate("oslo", 4).day_degc(day)
    assert Climate("phoenix", 3).day_degc(day) > Climate("oslo", 3).day_degc(day)


def test_an_unknown_place_names_the_nearest() -> None:
    with pytest.raises(InputError, match="berlin"):
        places.place("berlln")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"[x]\nmean_degc=[1.0]\nswing_k=[1.0]\nweather_k=1.0\nsource=''", "mean_degc"),
        (b"[x]\nweather_k=-1.0\nsource=''", "places"),
        (b"[x", "places"),
    ],
)
def test_a_broken_place_is_refused(text: bytes, word: str) -> None:
    with pytest.raises(InputError, match=word):
        places.parse_places(text)
