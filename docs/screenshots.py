"""Takes the README's screenshots of a simulated fleet: docs/images/*.png.

Run: ``python docs/screenshots.py`` (needs the [test] extra and Chromium; some minutes). The fleet
is always the same one; its history ends today, so that a week's change is seen.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError

from playwright.sync_api import Browser, sync_playwright

from evitals.service import demo
from evitals.settings import Settings

IMAGES = Path(__file__).parent / "images"
VEHICLES, DAYS, SEED, TRIPS_PER_DAY = 16, 40, 11, 1.2
SHOTS = [
    ("fleet", "", 1440, 960, "light"),
    ("fleet-dark", "", 1440, 960, "dark"),
    ("fleet-phone", "", 390, 844, "light"),
    ("vehicle", "#/vehicle/{0}", 1440, 1180, "light"),
    ("compare", "#/compare?v={0}&v={1}&v={2}&by=throughput", 1440, 960, "light"),
]
"""Name, place (with the worst vehicles' ids), width and height in px, colour scheme."""
START_S = 60.0


def main() -> None:
    """Simulate, serve, look, write."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        order = demo.order(VEHICLES, SEED, DAYS, 0, TRIPS_PER_DAY)
        for done, trips in enumerate(demo.history(order, Settings(home=home)), 1):
            print(f"vehicle {done} of {VEHICLES}: {trips} trips", flush=True)
        with served(home) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            for name, place, width, height, scheme in SHOTS:
                take(browser, f"{address}/{place.format(*worst(address))}", width, height, scheme)
                written = (IMAGES / "shot.png").rename(IMAGES / f"{name}.png")
                print(f"{written} {written.stat().st_size:,} bytes", flush=True)
            browser.close()


@contextmanager
def served(home: Path) -> Iterator[str]:
    """``evitals serve`` over a home, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [str(Path(sys.executable).parent / "evitals"), "serve"]
    running = subprocess.Popen([*command, "--home", str(home), "--port", port])  # noqa: S603
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + START_S
        while not answers(address):
            if time.monotonic() > end or running.poll() is not None:
                sys.exit("the service did not start")
            time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait()


def answers(address: str) -> bool:
    """Whether the service is up."""
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=1.0) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


def worst(address: str) -> list[str]:
    """The three vehicles with the highest risk, from the CSV."""
    with urllib.request.urlopen(f"{address}/v1/export.csv", timeout=10.0) as reply:  # noqa: S310
        lines = reply.read().decode().splitlines()
    return [line.split(",")[0] for line in lines[1:4]]


def take(browser: Browser, url: str, width: int, height: int, scheme: str) -> None:
    """One screenshot into docs/images/shot.png."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("canvas")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "shot.png")
    context.close()


if __name__ == "__main__":
    main()
