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


def with_numpy(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same rounding by NumPy's own float32 and float16."""
    out = np.clip(values, -1e38, 1e38).astype(np.float32)
    cut = ((out.view(np.uint32) + np.uint32(0x80)) & np.uint32(0xFFFFFF00)).view(np.float32)
    half = np.clip(out, -65504.0, 65504.0).astype(np.float16).astype(np.float32)
    for k, feature in enumerate(FEATURES):
        if feature.form in ("u2", "u1"):
            step, top = (2e-5, 65534) if feature.form == "u2" else (1 / 254, 254)
            out[k] = np.clip(np.rint(np.float64(out[k]) / step), 0, top) * step
        else:
            out[k] = half[k] if feature.form == "f2" else cut[k]
    out[np.isnan(values)] = np.nan
    out[INDEX["net_charge_ah"]] = out[INDEX["charge_in_ah"]] - out[INDEX["charge_out_ah"]]
    out[INDEX["soc_span"]] = out[INDEX["soc_max"]] - out[INDEX["soc_min"]]
    return out


HALVES = st.integers(0, 0x7BFE).map(lambda bits: float(np.uint16(bits).view(np.float16)))
NEAR_A_TIE = st.tuples(HALVES, st.sampled_from([-1.0, 1.0]), st.integers(-3, 3)).map(
    lambda x: x[1] * (x[0] + 0.5 * float(np.spacing(np.float16(x[0])))) * (1.0 + x[2] * 1e-7)
)


@given(arrays(np.float64, SIZE, elements=ANY | NEAR_A_TIE | st.floats(-1e-3, 1e-3)))
def test_rounding_is_that_of_numpy(values: NDArray[np.float64]) -> None:
    assert np.array_equal(rounded(values), with_numpy(values), equal_nan=True)


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
