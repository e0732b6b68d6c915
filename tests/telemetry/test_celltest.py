"""A cell test: columns of one length, known by their content."""

import numpy as np
import pytest

from evitals.errors import InputError
from evitals.telemetry.celltest import CellTest, columns_digest


def columns() -> dict[str, np.ndarray]:
    return {"time_s": np.arange(5.0), "voltage_v": np.array([3.7, 3.6, np.nan, -0.0, 3.4])}


def test_digest_is_the_contents() -> None:
    test = CellTest("a", "cell", "city", columns())
    assert len(test) == 5
    other = {name: values.astype(np.float32).astype(float) for name, values in columns().items()}
    other["voltage_v"] = np.where(other["voltage_v"] == 0.0, 0.0, other["voltage_v"])
    assert CellTest("b", "other", "road", dict(reversed(other.items()))).digest == test.digest
    changed = columns()
    changed["voltage_v"][1] += 1e-4
    assert columns_digest(changed) != test.digest
    assert CellTest("a", "cell", "city", columns(), digest="kept").digest == "kept"


def test_uneven_columns_are_refused() -> None:
    with pytest.raises(InputError, match="of test a lack time_s or differ in length"):
        CellTest("a", "cell", "city", columns() | {"soc": np.zeros(4)})
    with pytest.raises(InputError, match="lack time_s"):
        CellTest("a", "cell", "city", {"soc": np.zeros(4)})
