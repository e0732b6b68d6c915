"""Sources, findings, refusals and descriptions are documented, and what is documented exists."""

import dataclasses
import re
from pathlib import Path

import msgspec
import pytest

import evitals.telemetry
from evitals.battery import Battery, Limits, Sensors, Vehicle, builtin, parse_vehicle
from evitals.signals import SIGNALS
from evitals.telemetry import SOURCES, read
from evitals.telemetry.sources import Source

ROOT = Path(__file__).parents[2]
CODE = Path(evitals.telemetry.__file__).parent
SOURCES_PAGE = (ROOT / "docs/sources.md").read_text(encoding="utf-8")
VEHICLES_PAGE = (ROOT / "docs/vehicles.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "Vehicle": Vehicle,
    "Battery": Battery,
    "Limits": Limits,
    "Sensors": Sensors,
}


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> set[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", text, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def all_code() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in CODE.rglob("*.py"))


def test_every_source_is_in_the_table() -> None:
    assert first_cells(SOURCES_PAGE.split("\n## ")[0]) == {source.name for source in SOURCES}


def test_every_finding_is_in_the_table() -> None:
    codes = set(re.findall(r"(?:found|whole)\(\s*\"([a-z_]+)\"", all_code()))
    assert len(codes) > 15
    assert first_cells(section(SOURCES_PAGE, "Findings")) == codes


def test_every_refusal_is_listed() -> None:
    raised = set(re.findall(r"UnreadableFile\([^)]*?reason=\"([a-z_]+)\"", all_code(), re.DOTALL))
    assert len(raised) > 8
    listed = section(SOURCES_PAGE, "Findings").split("with one of these reasons:")[1]
    assert raised <= set(re.findall(r"`([a-z_]+)`", listed))


@pytest.mark.parametrize("title", sorted(SECTIONS))
def test_every_field_of_a_description_is_documented(title: str) -> None:
    fields = {field.name for field in msgspec.structs.fields(SECTIONS[title])}
    assert first_cells(section(VEHICLES_PAGE, title)) == fields


def test_every_default_of_a_sensor_is_the_documented_one() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| \w+ \| ([\d.]+) \|$", section(VEHICLES_PAGE, "Sensors"), re.M
    )
    assert {name: float(value) for name, value in rows} == msgspec.structs.asdict(Sensors())


def test_built_in_descriptions_are_listed_and_say_their_source() -> None:
    assert first_cells(section(VEHICLES_PAGE, "Built in")) == set(builtin())
    for vehicle in builtin().values():
        battery = vehicle.battery
        assert len(battery.source) > 40, vehicle.vehicle_id
        row = next(
            r for r in VEHICLES_PAGE.splitlines() if r.startswith(f"| `{vehicle.vehicle_id}`")
        )
        assert f"{battery.reference_capacity_ah:g} Ah" in row.replace(".0 Ah", " Ah")
        assert battery.level == "cell" or f"{battery.series}s" in row


def test_the_example_description_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", VEHICLES_PAGE, flags=re.DOTALL)
    vehicle = parse_vehicle(text.encode(), "example.toml")
    assert vehicle.battery.series == 96


def test_the_example_file_is_read() -> None:
    (text,) = re.findall(r"```csv\n(.*?)```", SOURCES_PAGE, flags=re.DOTALL)
    (recording,) = read(text.encode()).recordings
    assert (recording.vehicle_id, recording.table.height) == ("van-7", 2)


def test_the_example_source_names_signals_and_fields() -> None:
    (text,) = re.findall(r"```python\n(.*?)```", SOURCES_PAGE, flags=re.DOTALL)
    signals = re.findall(r"Column\(\"(\w+)\"", text)
    assert len(signals) == 4
    assert set(signals) <= set(SIGNALS)
    named = set(re.findall(r"^        (\w+)=", text, flags=re.MULTILINE))
    assert named <= {field.name for field in dataclasses.fields(Source)}
