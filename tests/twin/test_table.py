"""The reference document's table beside ours."""

import pytest

from evitals.twin.table import udds


def test_the_documents_wrong_figures_are_marked_and_ours_are_fastsims() -> None:
    rows = {row.figure: row for row in udds()}
    assert {name for name, row in rows.items() if not row.wrong} == {"duration"}
    assert all(row.why for row in rows.values() if row.wrong)
    assert rows["distance"].twin == pytest.approx(11.99, abs=0.01)
    # What FASTSim 3.1.0 itself gives: 1.357 kWh, 3.57 and 40.1 kW, 0.1132 kWh/km.
    assert rows["energy"].fastsim_rule == pytest.approx(1.357, rel=0.003)
    assert rows["mean power"].fastsim_rule == pytest.approx(3.57, rel=0.003)
    assert rows["peak power"].fastsim_rule == pytest.approx(40.1, rel=0.003)
    assert rows["consumption"].fastsim_rule == pytest.approx(0.1132, rel=0.003)
    assert rows["energy"].twin < rows["energy"].fastsim_rule
