"""Errors name field, value and remedy, and never grow with their input."""

from hypothesis import given
from hypothesis import strategies as st

from evitals.errors import InputError, UnknownVehicle, shorten


def test_message_names_field_value_and_remedy() -> None:
    error = InputError("soc", 85.0, "is above 1.05", "give a fraction", reason="soc_in_percent")
    assert str(error) == "soc: 85.0 is above 1.05; give a fraction"
    assert error.reason == "soc_in_percent"


def test_unknown_vehicle_says_what_to_do() -> None:
    assert "evitals vehicles add" in str(UnknownVehicle("V1"))


@given(st.one_of(st.text(max_size=5000), st.binary(max_size=5000), st.floats(), st.integers()))
def test_shorten_is_bounded(value: object) -> None:
    assert len(shorten(value)) <= 80
