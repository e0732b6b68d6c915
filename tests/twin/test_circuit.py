"""The kernel's own functions against the plain ones."""

import numpy as np
import pytest

from evitals.twin import circuit


@pytest.mark.parametrize("most", [0.01, 1.0, 16.1, 1e6])
def test_asinh_by_cubics_is_the_logarithm_s(most: float) -> None:
    args = np.linspace(-most, most, 4001)
    found = np.array([circuit._asinh(arg) for arg in args.tolist()])
    np.testing.assert_allclose(found[:, 0], np.arcsinh(args), rtol=0.0, atol=1e-7)
    np.testing.assert_allclose(found[:, 1], 1.0 / np.sqrt(1.0 + args**2), rtol=0.0, atol=1e-5)
