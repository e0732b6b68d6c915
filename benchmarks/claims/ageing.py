"""The twin's ageing: a step of a battery's age, a cell cycled until it is old, years of a car."""

import math

from benchmarks.clocks import cpu_s
from benchmarks.result import Bar, Row, Scale, alternate
from evitals.twin.ageing import Age, Ageing
from evitals.twin.life import cycled
from evitals.twin.scenario import Scenario
from evitals.twin.whatif import project

NAME = "ageing"
STEPS = 10_000


def measure(scale: Scale) -> list[Row]:
    """CPU seconds for 1,000 cycles and for 15 years, microseconds for a step of age."""
    ageing = Ageing()

    def steps() -> None:
        age = Age()
        for _ in range(STEPS):
            age = ageing.after(age, 8640.0, 20.0, 0.6, 0.05)
        if not math.isclose(age.efc, 0.05 * STEPS, rel_tol=1e-6):
            raise AssertionError(f"the age lost count: {age.efc} full cycles")

    def thousand() -> None:
        life = cycled(cycles=1000)
        if not 0.5 < life.soh[-1] < 0.99:
            raise AssertionError(f"a cell of SoH {life.soh[-1]} after 1,000 cycles")

    def years() -> None:
        found = project(Scenario())
        if len(found.years) != Scenario().years:
            raise AssertionError(f"{len(found.years)} years projected")

    life, step, future = alternate(
        [
            lambda: cpu_s(thousand, 1),
            lambda: 1e6 * cpu_s(steps, 1) / STEPS,
            lambda: cpu_s(years, 1),
        ],
        scale.runs,
    )
    return [
        Row(
            claim=NAME,
            quantity="1,000 full cycles of one cell at 1C, circuit and ageing",
            unit="s",
            ours=life,
            bar=Bar(of="value", bound=1.0),
            note="a sample every 10 s; the OCV follows the lost lithium",
        ),
        Row(
            claim=NAME,
            quantity="one step of a battery's age",
            unit="us",
            ours=step,
            bar=Bar(of="value", bound=10.0),
        ),
        Row(
            claim=NAME,
            quantity="what-if: 15 years of one vehicle with bands",
            unit="s",
            ours=future,
            bar=Bar(of="value", bound=5.0),
            note="1,260 days driven and charged, 200 draws",
        ),
    ]
