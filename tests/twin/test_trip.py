"""One trip in numbers."""

from typing import Any

import pytest

from evitals.errors import InputError
from evitals.twin.trip import trip


def test_the_zoe_on_udds() -> None:
    report = trip()
    assert (report.vehicle, report.cycle) == ("renault-zoe-ze50", "udds")
    assert report.distance_km == pytest.approx(11.99, abs=0.01)
    assert report.energy_kwh_per_km == pytest.approx(0.109, abs=0.001)
    assert report.peak_power_kw == pytest.approx(40.1, abs=0.2)
    assert 0.02 < report.soc_start - report.soc_end < 0.03
    assert report.unmet_kwh < 1e-5


def test_an_empty_pack_says_what_it_could_not_give() -> None:
    assert trip(cycle_name="us06", soc=0.02, ambient_degc=-10.0).unmet_kwh > 0.5


def test_an_old_pack_moves_more_soc_for_the_same_trip() -> None:
    assert trip(soh=0.7).soc_end < trip(soh=1.0).soc_end


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"soc": 1.5}, "soc"),
        ({"ambient_degc": 900.0}, "ambient_degc"),
        ({"soh": -1.0}, "soh"),
        ({"cycle_name": "hwfett"}, "hwfet"),
    ],
)
def test_what_cannot_be_is_refused_by_field(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        trip(**arguments)


def test_an_unknown_vehicle_names_the_nearest() -> None:
    with pytest.raises(InputError, match="renault-zoe-ze50"):
        trip("renault-zoe")
