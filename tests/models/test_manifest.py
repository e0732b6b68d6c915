"""The manifest: canonical, sealed by its digest, refused where it says what cannot be."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evitals.errors import InputError, RefusedBundle
from evitals.models import archive, manifest
from evitals.models.manifest import DataFile, Manifest, Metric, Range, Step

from .bundles import made, rewritten

TEXT = archive.unpack(made())["manifest.json"]
SAID = manifest.read(TEXT)


def changed(**fields: Any) -> bytes:
    said = msgspec.json.decode(TEXT)
    return msgspec.json.encode(said | fields)


def test_it_comes_back() -> None:
    assert manifest.encode(SAID) == TEXT
    assert manifest.sealed(SAID) == SAID
    assert [s.name for s in SAID.inputs] == ["soc", "current_a", "temperature_degc"]
    assert SAID.output == Range("voltage_v", "V", 2.5, 4.3)
    assert SAID.state["means"].shape == (6,)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schema": 2}, "newer_schema"),
        ({"schema": 2, "anything": {"new": 1}}, "newer_schema"),
        ({"schema": 0}, "bad_manifest"),
        ({"schema": "1"}, "bad_manifest"),
        ({"colour": "red"}, "bad_manifest"),
        ({"id": "../up"}, "bad_manifest"),
        ({"id": "Upper"}, "bad_manifest"),
        ({"version": "1.0"}, "bad_manifest"),
        ({"version": "1.0.0-rc1"}, "bad_manifest"),
        ({"version": "1.0.٠"}, "bad_manifest"),
        ({"level": "module"}, "bad_manifest"),
        ({"inputs": []}, "bad_manifest"),
        ({"inputs": [["soc", "1", 0, 1]]}, "bad_manifest"),
        ({"output": {"name": "voltage_v", "unit": "V", "low": 4.0, "high": 3.0}}, "bad_manifest"),
        ({"step": {"nominal_s": 1.0, "low_s": 2.0, "high_s": 3.0}}, "bad_manifest"),
        ({"step": {"nominal_s": 0.0, "low_s": 0.0, "high_s": 3.0}}, "bad_manifest"),
        ({"digest": "0" * 64}, "tampered"),
        ({"cell": "Another"}, "tampered"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedBundle) as refused:
        manifest.read(changed(**fields))
    assert refused.value.reason == reason


def test_a_newer_schema_says_update() -> None:
    with pytest.raises(RefusedBundle, match=r"reads 1\); update evitals"):
        manifest.read(changed(schema=2))


def test_one_text_for_one_content() -> None:
    spaced = msgspec.json.format(TEXT, indent=1)
    with pytest.raises(RefusedBundle, match="does not fit"):
        manifest.read(spaced)


@given(st.binary(max_size=200))
def test_noise(noise: bytes) -> None:
    with pytest.raises(RefusedBundle):
        manifest.read(noise)


@pytest.mark.parametrize("noise", [b"[" * 200_000, b'{"schema":' * 100_000, b"\xff\xfe"])
def test_deep_or_undecodable(noise: bytes) -> None:
    with pytest.raises(RefusedBundle):
        manifest.read(noise)


def test_text_without_end_is_not_decoded() -> None:
    with pytest.raises(RefusedBundle, match="more than"):
        manifest.read(b" " * (manifest.MOST_TEXT + 1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_a_number(value: float) -> None:
    with pytest.raises(InputError, match="no number"):
        Metric(name="rmse", value=value, unit="V", on="UDDS")
    with pytest.raises(InputError, match="no number"):
        Metric(name="rmse", value=1.0, unit="V", on="UDDS", baseline=value)
    with pytest.raises(InputError):
        Range("soc", "1", 0.0, value)


def test_everything_is_under_the_digest() -> None:
    for field in Manifest.__struct_fields__:
        assert field in msgspec.json.decode(TEXT)
    file = DataFile("Mixed2.csv", "1" * 64, "train")
    lineage = msgspec.structs.replace(SAID.lineage, files=(file,))
    other = manifest.read(archive.unpack(rewritten(made(), lineage=lineage))["manifest.json"])
    assert other.digest != SAID.digest


def test_a_step_may_be_one_only() -> None:
    assert Step(1.0, 1.0, 1.0).nominal_s == 1.0
