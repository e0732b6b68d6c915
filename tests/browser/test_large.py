"""Many vehicles: every view answers, draws, filters, and shows a change by itself."""

import csv
import io
import re
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from .conftest import Service
from .large import name

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LIVE_S = 10.0
"""Generous, since test machines are slow: benchmarks/ measures it on a calm one."""


@pytest.fixture(params=["10,000", "100,000"])
def fleet(request: pytest.FixtureRequest) -> tuple[Service, int]:
    fixture = "ten_thousand" if request.param == "10,000" else "hundred_thousand"
    return request.getfixturevalue(fixture), int(request.param.replace(",", ""))


def marks_by_colour(page: Page) -> dict[str, int]:
    """Pixels of the plot near each status colour."""
    found: dict[str, int] = page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const near = { blue: [36, 118, 184], amber: [217, 138, 6], red: [179, 38, 30] };
          const found = { blue: 0, amber: 0, red: 0 };
          for (let i = 0; i < data.length; i += 4)
            for (const [name, c] of Object.entries(near))
              if ([0, 1, 2].every((k) => Math.abs(data[i + k] - c[k]) < 40)) found[name]++;
          return found;
        }"""
    )
    return found


def test_every_view_with_many_vehicles(
    fleet: tuple[Service, int],
    page: Page,
    screenshot: Callable[[str], None],
    accessible: Callable[[str], None],
) -> None:
    service, size = fleet
    started = time.monotonic()
    page.goto(service.url)
    expect(page.get_by_test_id("vehicles")).to_have_text(re.compile(f"{size:,}|{size + 1:,}"))
    expect(page.get_by_test_id("placed")).to_contain_text("placed", timeout=20_000)
    print(f"{size:,} vehicles: drawn after {time.monotonic() - started:.2f} s")
    assert min(marks_by_colour(page).values()) > 50, "a status cannot be seen"
    accessible(f"fleet of {size:,}")
    screenshot(f"fleet-{size}")
    filtered(service, page)
    page.goto(f"{service.url}/#/vehicle/{name(3)}")
    expect(page.get_by_test_id("soh")).to_contain_text("%")
    page.goto(f"{service.url}/#/compare?v={name(1)}&v={name(2)}")
    expect(page.get_by_text("None of these vehicles has a dated trip yet")).to_be_visible()
    page.goto(f"{service.url}/#/intake")
    expect(page.get_by_text("Nothing has come in yet")).to_be_visible()


def filtered(service: Service, page: Page) -> None:
    """Search, status and SoH together: page, API and CSV hold the same vehicles in one order."""
    query = "status=Monitor&search=van-0001&soh_from=0.7&sort=soh&descending=false"
    api = service.get(f"/v1/fleet?limit=1000&{query}").json()
    expected = [row["vehicle_id"] for row in api["rows"]]
    page.goto(f"{service.url}/#/?status=Monitor&search=van-0001&soh_from=0.7&sort=soh&order=up")
    expect(page.locator("tbody td.id").first).to_have_text(expected[0])
    assert page.locator("tbody td.id").all_inner_texts() == expected[:25]
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    text = started.value.path().read_text()
    assert [row["vehicle_id"] for row in csv.DictReader(io.StringIO(text))] == expected


def test_a_lasso_over_many_agrees_with_the_service(hundred_thousand: Service, page: Page) -> None:
    lasso = "soh,sop_ratio;0.7,0.85;0.9,0.85;0.9,0.95;0.8,0.99;0.7,0.95"
    total = hundred_thousand.get(f"/v1/fleet?limit=1&lasso={lasso}").json()["total"]
    assert 1000 < total < 90_000
    page.goto(f"{hundred_thousand.url}/#/?lasso={lasso}")
    expect(page.get_by_test_id("placed")).to_contain_text(f"{total:,} placed", timeout=20_000)
    expect(page.locator("section[aria-label=Scorecard] h2")).to_contain_text(f"{total:,}")


def test_a_change_among_many_becomes_visible(fleet: tuple[Service, int], page: Page) -> None:
    service, size = fleet
    page.goto(f"{service.url}/#/?search=cell-new")
    expect(page.get_by_test_id("vehicles")).to_have_text(f"{size:,}", timeout=20_000)
    body = {
        "vehicle_id": "cell-new", "discharge_time_s": 3600.0, "avg_current": -1.8, "dod": 100.0,
        "avg_voltage": 3.6, "reference_capacity_ah": 2.0,
    }  # fmt: skip
    httpx.post(f"{service.url}/predict", json=body, timeout=30.0).raise_for_status()
    answered = time.monotonic()
    expect(page.get_by_test_id("vehicles")).to_have_text(f"{size + 1:,}", timeout=LIVE_S * 1000)
    print(f"{size:,} vehicles: commit to visible {time.monotonic() - answered:.2f} s")
    expect(page.locator("tbody td.id")).to_have_text(["cell-new"], timeout=LIVE_S * 1000)
    expect(page.locator("tr[data-vehicle='cell-new'] td.soh")).to_contain_text("90.0")
