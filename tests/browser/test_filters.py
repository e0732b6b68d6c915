"""One filter for all panels: brush, lasso, search and status, in the address and in the CSV."""

import csv
import io
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from .conftest import Service

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def ids(service: Service, query: str) -> list[str]:
    rows = service.get(f"/v1/fleet?limit=1000&{query}").json()["rows"]
    return [row["vehicle_id"] for row in rows]


def downloaded(page: Page) -> list[str]:
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    text = started.value.path().read_text()
    return [row["vehicle_id"] for row in csv.DictReader(io.StringIO(text))]


def placed(page: Page) -> int:
    return int(re.sub(r"\D", "", page.get_by_test_id("placed").inner_text().split()[0]))


def box_of(found: Locator) -> FloatRect:
    box = found.bounding_box()
    assert box is not None
    return box


def drag(page: Page, corners: list[tuple[float, float]]) -> None:
    (x, y), *rest = corners
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def test_a_brush_over_the_histogram_filters_every_panel(
    filled: Service, page: Page, accessible: Callable[[str], None]
) -> None:
    page.goto(filled.url)
    bars = page.get_by_role("list", name="Vehicles per 2 % of SoH; drag to filter")
    bars.scroll_into_view_if_needed()
    chosen = box_of(bars.locator(".bin[aria-label^='80 to 82']"))
    last = box_of(bars.locator(".bin[aria-label^='88 to 90']"))
    drag(page, [(box["x"] + box["width"] / 2, box["y"] + 40) for box in (chosen, last)])
    expected = ids(filled, "soh_from=0.8&soh_to=0.9")
    assert 0 < len(expected) < 30
    expect(page.locator("tbody td.id")).to_have_count(min(25, len(expected)))
    assert page.locator("tbody td.id").all_inner_texts() == expected[:25]
    assert placed(page) == len(expected)
    assert "soh_from=0.8&soh_to=0.9" in page.url
    assert downloaded(page) == expected
    expect(page.get_by_role("region", name="Filters of all panels")).to_contain_text("SoH 80")
    accessible("fleet, filtered")
    page.reload()
    expect(page.get_by_label("SoH from, percent")).to_have_value("80")
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("tbody td.id")).to_have_count(25)
    assert placed(page) == 30


def test_a_group_filters_every_panel(
    filled: Service,
    page: Page,
    screenshot: Callable[[str], None],
    accessible: Callable[[str], None],
) -> None:
    page.goto(filled.url)
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    chosen = page.get_by_label("Group")
    assert chosen.locator("option").all_inner_texts() == [
        "All groups",
        "depot",
        "north & south",
        "No group",
    ]
    chosen.select_option("north & south")
    expected = ids(filled, "group=north+%26+south")
    assert len(expected) == 20
    expect(page.locator("tbody td.id")).to_have_count(20)
    assert page.locator("tbody td.id").all_inner_texts() == expected
    expect(page.get_by_test_id("placed")).to_contain_text("20 placed")
    bars = page.get_by_role("list", name="Vehicles per 2 % of SoH; drag to filter")
    labels = [bar.get_attribute("aria-label") or "" for bar in bars.locator(".bin").all()]
    assert sum(int(label.split(":")[-1].split()[0]) for label in labels if label) == 20
    assert downloaded(page) == expected
    accessible("fleet, one group")
    screenshot("group")
    page.reload()
    expect(page.get_by_label("Group")).to_have_value("north & south")
    expect(page.locator("tbody td.id")).to_have_count(20)
    page.get_by_role("button", name="group north & south").click()
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    chosen.select_option("No group")
    assert page.url.endswith("group=")
    expect(page.get_by_test_id("placed")).to_contain_text("0 placed")
    page.get_by_role("button", name="without a group").click()
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    page.goto(f"{filled.url}/#/?group=nowhere")
    scorecard = page.get_by_role("region", name="Scorecard")
    expect(scorecard.get_by_text("No vehicle matches")).to_be_visible()
    expect(page.get_by_test_id("placed")).to_contain_text("0 placed")


def test_the_range_can_be_typed(filled: Service, page: Page) -> None:
    page.goto(filled.url)
    page.get_by_label("SoH below, percent").fill("75")
    page.get_by_label("SoH below, percent").press("Enter")
    expected = ids(filled, "soh_to=0.75")
    expect(page.locator("tbody td.id")).to_have_count(len(expected))


def test_a_lasso_around_all_but_some_filters_the_scorecard_and_the_csv(
    filled: Service, page: Page
) -> None:
    page.goto(filled.url)
    canvas = page.locator("canvas").first
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    box = box_of(canvas)
    page.get_by_role("button", name="Lasso").click()
    left, top = box["x"] + 54, box["y"] + 4
    middle, bottom = box["x"] + 0.55 * box["width"], box["y"] + box["height"] - 48
    drag(page, [(left, top), (middle, top), (middle, bottom), (left, bottom), (left, top + 3)])
    expect(page.get_by_role("region", name="Filters of all panels")).to_contain_text("lasso")
    lasso = parse_qs(urlsplit(page.url).fragment.partition("?")[2])["lasso"][0]
    expected = ids(filled, f"lasso={lasso}")
    assert 0 < len(expected) < 30
    expect(page.locator("tbody td.id")).to_have_count(min(25, len(expected)))
    assert placed(page) == len(expected)
    assert downloaded(page) == expected
    page.get_by_role("button", name="inside the lasso").click()
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")


def test_the_quadrant_zooms_pans_and_resets(filled: Service, page: Page) -> None:
    page.goto(filled.url)
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.get_by_test_id("placed")).to_contain_text(" 0 in view")
    box = box_of(page.locator("canvas").first)
    for _ in range(2):  # the vehicles have all their power: they lie at the top
        drag(page, [(box["x"] + 200, box["y"] + 60), (box["x"] + 200, box["y"] + 360)])
    expect(page.get_by_test_id("placed")).not_to_contain_text(" 0 in view")
    panned = page.get_by_test_id("placed").inner_text()
    assert 0 < int(panned.split(", ")[1].removesuffix(" in view")) < 30
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_test_id("placed")).not_to_contain_text("in view")


def test_the_quadrant_works_by_keyboard(filled: Service, page: Page) -> None:
    page.goto(filled.url)
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    weakest = ids(filled, "sort=soh&descending=false")[0]
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tip strong")).to_have_text(weakest)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(weakest)


def test_hovering_names_the_vehicle_under_the_pointer(filled: Service, page: Page) -> None:
    page.goto(filled.url)
    expect(page.get_by_test_id("placed")).to_contain_text("30 placed")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    name = page.locator(".tip strong").inner_text()
    ring = box_of(page.locator(".ring"))
    page.keyboard.press("Escape")
    expect(page.locator(".tip")).to_have_count(0)
    page.mouse.move(ring["x"] + 13, ring["y"] + 9)
    expect(page.locator(".tip strong")).to_have_text(name)
    row = filled.get(f"/v1/fleet?search={name}").json()["rows"][0]
    expect(page.locator(".tip")).to_contain_text(f"{100 * row['soh']:.1f}")
