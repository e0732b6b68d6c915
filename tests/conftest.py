"""What all tests share: the public measurements, and a refusal to skip where CI forbids it."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBID_SKIP = os.environ.get("EVITALS_FORBID_SKIP") == "1"


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public measurements (EVITALS_DATA, else ../shared/data); skips without it."""
    folder = Path(os.environ.get("EVITALS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("public measurements absent: set EVITALS_DATA to their folder")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if FORBID_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipping is forbidden here: {report.longrepr}"
    return report
