"""The vehicle's plots and history, the comparison, and the intake."""

import math
import re
from collections.abc import Callable
from datetime import datetime

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import Service, charge_csv, until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_vehicles_measurements_zoom_from_all_to_one_trip(
    filled: Service,
    page: Page,
    screenshot: Callable[[str], None],
    accessible: Callable[[str], None],
) -> None:
    page.goto(f"{filled.url}/#/vehicle/van-07")
    measured = page.get_by_role("region", name="Measured")
    expect(measured.locator(".uplot")).to_have_count(4, timeout=20_000)
    expect(page.get_by_test_id("window")).to_contain_text("from samples")
    until(lambda: whole_window(page) > 2 * 86_400, 10, "all is shown")
    plot = measured.locator(".u-over").first
    plot.scroll_into_view_if_needed()
    drag(page, plot, 0.1, 0.4)
    until(lambda: whole_window(page) < 1.5 * 86_400, 10, "the window is shorter")
    page.get_by_role("button", name="Plot this trip").first.click()
    expect(page.get_by_test_id("window")).to_contain_text("1 recording,")
    until(lambda: whole_window(page) < 3 * 3600, 10, "one trip is shown")
    one = whole_window(page)
    drag(page, plot, 0.4, 0.42)
    until(lambda: whole_window(page) < 0.05 * one, 10, "a part of it is shown")
    drag(page, plot, 0.4, 0.42)
    until(lambda: whole_window(page) <= 10, 10, "seconds are shown")
    expect(page.get_by_test_id("window")).to_contain_text(
        re.compile(r"\d:\d\d:\d\d .*to.*\d:\d\d:\d\d")
    )
    plot.hover()
    expect(measured.locator(".u-legend").first).to_contain_text("UTC")
    out = page.get_by_role("button", name="Zoom out")

    def stepped_out() -> bool:
        out.click()
        return whole_window(page) > 2 * one

    until(stepped_out, 20, "steps lead out of the trip")
    everything = page.get_by_role("button", name="All", exact=True)
    if everything.is_enabled():  # else the steps have led there already
        everything.click()
    expect(everything).to_be_disabled()
    until(lambda: whole_window(page) > 2 * 86_400, 10, "all is shown again")
    usage = page.get_by_role("region", name="Usage")
    expect(usage).to_contain_text("equivalent full cycles")
    expect(page.get_by_role("region", name="Trips", exact=True).locator("tbody tr")).to_have_count(
        4
    )
    accessible("vehicle")
    screenshot("vehicle-whole")


def drag(page: Page, plot: Locator, start: float, end: float) -> None:
    """Drag over these shares of a plot's width."""
    until(lambda: plot.bounding_box() is not None, 10, "the plot is drawn")
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 60, steps=5)
    page.mouse.up()


def whole_window(page: Page) -> float:
    """Seconds between the ends of what is plotted, from the UTC times shown on hover; NaN, which
    no comparison holds for, while nothing is plotted."""
    title = page.evaluate("document.querySelector('[data-testid=window] span')?.title ?? ''")
    stamps = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", str(title))
    if len(stamps) != 2:
        return math.nan
    first, last = map(datetime.fromisoformat, stamps)
    return (last - first).total_seconds()


def test_a_changed_description_is_listed(service: Service, page: Page) -> None:
    service.describe("van-a")
    body = service.get("/v1/vehicles/van-a").json()["description"] | {"battery_id": "2"}
    httpx.put(f"{service.url}/v1/vehicles/van-a", json=body, timeout=10).raise_for_status()
    page.goto(f"{service.url}/#/vehicle/van-a")
    described = page.get_by_role("region", name="Description")
    expect(described).to_contain_text("History of the description (2)")
    expect(described).to_contain_text('battery_id: "1" → "2"')


def test_vehicles_side_by_side(
    filled: Service,
    page: Page,
    screenshot: Callable[[str], None],
    accessible: Callable[[str], None],
) -> None:
    page.goto(f"{filled.url}/#/compare?v=van-03")
    page.get_by_label("Add a vehicle").fill("van-21")
    page.get_by_role("button", name="Add", exact=True).click()
    table = page.get_by_role("region", name="Newest values of each vehicle")
    expect(table.locator("tbody tr")).to_have_count(2)
    assert "v=van-03&v=van-21" in page.url
    series = filled.get("/v1/compare?vehicle_id=van-03&vehicle_id=van-21&by=throughput").json()
    page.get_by_role("button", name="Throughput").click()
    expect(page.get_by_role("img", name=re.compile("^SoH, % over Equivalent"))).to_be_visible()
    for one in series["series"]:
        row = table.locator("tbody tr", has_text=one["vehicle_id"])
        expect(row).to_contain_text(f"{100 * one['soh'][-1]:.1f}")
        expect(row).to_contain_text(f"{one['x'][-1]:.1f} EFC")
    page.get_by_label("Add a vehicle").fill("nobody")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("No vehicle is called nobody")).to_be_visible()
    page.get_by_role("button", name="Distance").click()
    expect(page.get_by_text("No trip of these vehicles says how far it went")).to_be_visible()
    page.get_by_role("button", name="Age").click()
    accessible("compare")
    screenshot("compare")
    page.get_by_role("button", name="Remove van-03").click()
    expect(table.locator("tbody tr")).to_have_count(1)


def test_a_comparison_follows_its_vehicles(service: Service, page: Page) -> None:
    for vehicle_id in ("van-a", "van-b"):
        service.describe(vehicle_id)
        for day in range(3):
            service.drop(vehicle_id, day)
    query = "vehicle_id=van-a&vehicle_id=van-b"
    until(lambda: last_age(service, query) == [2.0, 2.0], 30, "both have answers")
    page.goto(f"{service.url}/#/compare?v=van-a&v=van-b")
    row = page.get_by_role("region", name="Newest values of each vehicle").locator("tbody tr").first
    expect(row).to_contain_text("2 d")
    expect(page.get_by_test_id("connection")).to_have_text("Live")
    page.wait_for_timeout(1500)
    service.drop("van-a", 7)
    expect(row).to_contain_text("7 d", timeout=20_000)
    service.stop()
    expect(page.get_by_text("Not refreshed")).to_be_visible(timeout=20_000)
    service.start()
    expect(page.get_by_text("Not refreshed")).to_have_count(0, timeout=20_000)


def last_age(service: Service, query: str) -> list[float]:
    """Days since the first trip that each comparison ends with."""
    reply = httpx.get(f"{service.url}/v1/compare?{query}&by=age", timeout=10)
    found = reply.json()["series"] if reply.status_code == 200 else []
    return [round(one["x"][-1], 2) for one in found if one["x"]]


def test_intake_shows_what_became_of_files_and_retries(
    service: Service,
    page: Page,
    screenshot: Callable[[str], None],
    accessible: Callable[[str], None],
) -> None:
    incoming = service.home / "incoming"
    (incoming / "rubbish.csv").write_text("this is\nno trip\n")
    service.drop("van-late", 1)
    service.describe("van-a")
    service.drop("van-a", 1)
    page.goto(f"{service.url}/#/intake")
    for state in ("stored", "held", "quarantined"):
        expect(page.get_by_test_id(f"count-{state}")).to_have_text("1", timeout=20_000)
    row = page.locator("tr", has_text="rubbish.csv")
    expect(row).to_contain_text("quarantined")
    row.get_by_role("button", name="Retry").click()
    expect(row.get_by_role("status")).to_contain_text("quarantined again")
    page.get_by_text("Describe van-late: nobody has yet").click()
    expect(page.get_by_test_id("hint")).to_contain_text(f"{service.url}/v1/vehicles/van-late")
    accessible("intake")
    screenshot("intake")
    page.get_by_role("button", name=re.compile("^held")).click()
    expect(page.locator("tbody tr[data-digest]")).to_have_count(1)
    expect(page.locator("tbody tr[data-digest]")).to_contain_text("van-late")
    # Mended in place: the same retry then stores it.
    mended = next(service.home.joinpath("quarantine").glob("rubbish*.csv"))
    mended.write_text(charge_csv("van-a", 9))
    page.get_by_role("button", name=re.compile("^quarantined")).click()
    page.locator("tr", has_text="rubbish.csv").get_by_role("button", name="Retry").click()
    expect(page.get_by_test_id("count-stored")).to_have_text("2", timeout=10_000)


def test_an_empty_intake_and_a_lost_service_say_so(service: Service, page: Page) -> None:
    page.goto(f"{service.url}/#/intake")
    expect(page.get_by_text("Nothing has come in yet")).to_be_visible()
    service.stop()
    expect(page.get_by_text("Not refreshed: The service cannot be reached.")).to_be_visible(
        timeout=10_000
    )
    expect(page.get_by_role("alert").first).to_contain_text("connection is lost")
    service.start()
    expect(page.get_by_text("Not refreshed")).to_have_count(0, timeout=20_000)


@pytest.mark.parametrize(
    "view", ["", "#/vehicle/van-01", "#/compare?v=van-01&v=van-02", "#/intake"]
)
def test_no_view_is_wider_than_a_phone(filled: Service, page: Page, view: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{filled.url}/{view}")
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
