"""Packed features: nothing of the rounded values is lost, and they take few bytes."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.features import FEATURES, INDEX, extract, pack, unpack
from evitals.features.packing import SIZE, rounded

from .made_up import PACK, drive

ANY = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, 0.0, 1.0, 1e300, -1e300])


@given(arrays(np.float64, SIZE, elements=ANY))
def test_rounded_values_survive_packing_bit_for_bit(values: NDArray[np.float64]) -> None:
    vector = rounded(values)
    again = unpack(pack(vector))
    assert np.array_equal(again, vector, equal_nan=True)
    assert np.array_equal(rounded(vector.astype(np.float64)), vector, equal_nan=True)


@given(arrays(np.float64, SIZE, elements=st.floats(0.0, 1.0)))
def test_rounding_stays_within_the_stated_step(values: NDArray[np.float64]) -> None:
    vector = rounded(values)
    steps = {"f3": 1.6e-5, "f2": 5e-4, "u2": 1.1e-5, "u1": 0.5 / 254 + 1e-6}
    for k, feature in enumerate(FEATURES):
        if feature.form != "--":
            assert abs(vector[k] - values[k]) <= steps[feature.form], feature.name


def test_a_drive_takes_few_bytes() -> None:
    assert len(pack(extract(drive(), PACK))) <= 125


def test_nothing_known_takes_little_more_than_the_bitmap() -> None:
    assert len(pack(rounded(np.full(SIZE, np.nan)))) <= 9 + 50


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_or_give_a_vector(data: bytes) -> None:
    with suppress(InputError):
        assert unpack(data).shape == (SIZE,)


def test_truncated_bytes_and_other_lengths_are_refused() -> None:
    data = pack(extract(drive(), PACK))
    with pytest.raises(InputError, match="no packed features"):
        unpack(data[:-1])
    with pytest.raises(InputError, match="no packed features"):
        unpack(data + b"\0")
    with pytest.raises(InputError, match=r"features\.extract"):
        pack(np.zeros(3, dtype=np.float32))


def test_index_names_every_feature_once() -> None:
    assert len(INDEX) == len(FEATURES) == SIZE
