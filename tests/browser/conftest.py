"""A real service in a real Chromium: what the page's tests share."""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from evitals.battery import describe, dump_vehicle

from .large import fill

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Waits for two frames: a new colour scheme is on the screen."""
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
START_S = 60.0


class Service:
    """``evitals serve`` as a person would start it, with its folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = _free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [Path(sys.executable).parent / "evitals", "serve"]
        options = ["--home", self.home, "--port", self.port]
        with (self.home.parent / "service.log").open("a") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command + options],
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )
        until(lambda: self._ready(), START_S, "the service is ready")

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError((self.home.parent / "service.log").read_text()[-3000:])
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=1.0).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def get(self, path: str) -> httpx.Response:
        reply = httpx.get(self.url + path, timeout=10.0)
        reply.raise_for_status()
        return reply

    def describe(self, vehicle_id: str, group: str = "") -> None:
        """A BMW i3 by another name."""
        body = dump_vehicle(describe("bmw-i3-60ah")) | {"vehicle_id": vehicle_id, "group": group}
        reply = httpx.put(f"{self.url}/v1/vehicles/{vehicle_id}", json=body, timeout=10.0)
        reply.raise_for_status()

    def drop(self, vehicle_id: str, day: int, **charge: float) -> None:
        """A charge of that day, written beside and moved into the watched folder."""
        name = f"{vehicle_id}_day{day:02d}.csv"
        beside = self.home.parent / name
        beside.write_text(charge_csv(vehicle_id, day, **charge))
        shutil.move(beside, self.home / "incoming" / name)


def charge_csv(
    vehicle_id: str, day: int, *, capacity_ah: float = 55.0, low: float = 0.2, high: float = 0.9
) -> str:
    """A constant-current charge of a 96s pack in evitals' own shape, one row every 10 s."""
    current, step = 30.0, 10.0
    rows = int((high - low) * capacity_ah * 3600.0 / current / step)
    lines = ["vehicle_id,timestamp,current_a,voltage_v,soc,temperature_degc"]
    start = 1_760_000_000 + 86_400 * day
    for i in range(rows + 1):
        soc = low + current * step * i / 3600.0 / capacity_ah
        volts = 96 * (3.45 + 0.65 * soc)
        lines.append(f"{vehicle_id},{start + step * i:.0f},{current},{volts:.2f},{soc:.4f},24.0")
    return "\n".join(lines) + "\n"


def until(check: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait for ``check``; fail naming ``what`` did not come."""
    end = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < end, f"{what}: not within {within_s} s"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A running service with an empty home."""
    running = Service(tmp_path / "home")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with thirty vehicles of known capacities; tests must not change it."""
    running = Service(tmp_path_factory.mktemp("filled") / "home")
    running.start()
    for i in range(30):
        running.describe(f"van-{i:02d}", "north & south" if i % 3 else "depot")
        for day in range(4):
            running.drop(f"van-{i:02d}", day, capacity_ah=38.0 + 0.8 * i)
    until(lambda: known(running) == 30, 120.0, "thirty vehicles with a known SoH")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with 10,000 vehicles."""
    yield from _large(tmp_path_factory.mktemp("large"), 10_000)


@pytest.fixture(scope="session")
def hundred_thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with 100,000 vehicles."""
    yield from _large(tmp_path_factory.mktemp("huge"), 100_000)


def _large(folder: Path, vehicles: int) -> Iterator[Service]:
    fill(folder / "home", vehicles)
    running = Service(folder / "home")
    running.start()
    yield running
    running.stop()


def known(service: Service) -> int:
    rows = service.get("/v1/fleet?limit=100").json()["rows"]
    return sum(row["soh"] is not None and row["evidence_count"] >= 4 for row in rows)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless; skips with one line where there is none.

    Not kept for the session: playwright's loop counts as running in this thread, and other tests
    run loops of their own.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Errors(list[str]):
    """What the page complained about; a lost connection is told by the page itself."""

    def heard(self, text: str) -> None:
        if not re.search(r"WebSocket connection|ERR_CONNECTION_REFUSED|status of 404", text):
            self.append(text)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh page of 1440 x 1000; the test fails if its scripts raise or log an error."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    opened = context.new_page()
    errors = Errors()
    opened.on("pageerror", lambda error: errors.heard(str(error)))
    opened.on("console", lambda m: errors.heard(m.text) if m.type == "error" else None)
    yield opened
    context.close()
    assert not errors


@pytest.fixture
def screenshot(page: Page) -> Callable[[str], None]:
    """Writes the page at 1440 and 390 px, light and dark, into artifacts/."""
    ARTIFACTS.mkdir(exist_ok=True)

    def take(name: str) -> None:
        for width, height in ((1440, 1000), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.wait_for_timeout(400)
                page.screenshot(path=ARTIFACTS / f"{name}-{width}-{scheme}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1440, "height": 1000})

    return take


@pytest.fixture
def accessible(page: Page) -> Callable[[str], None]:
    """Asserts that axe-core finds no serious or critical fault on the page, light and dark."""
    if not AXE.is_file():
        pytest.skip("axe-core is missing: python web/npm.py ci")
    source = AXE.read_text(encoding="utf-8")

    def check(where: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(500)
            page.evaluate(PAINTED)
            page.evaluate(source)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            serious = [
                f"{fault['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
                for fault in found
                if fault["impact"] in ("serious", "critical")
                for node in fault["nodes"][:3]
            ]
            assert not serious, f"{where}, {scheme}:\n" + "\n".join(serious)
        page.emulate_media(color_scheme="light")

    return check
