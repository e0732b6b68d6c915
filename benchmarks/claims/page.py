"""The live page: how soon a committed value is seen, and what a further browser costs the server.

Viewers hold the page's WebSocket, decode and acknowledge frames; one Chromium shows the page. The
other way is Streamlit with ``st.fragment(run_every=1)`` over as many vehicles, its viewers
speaking its own protocol. Freshness: from the commit to the decoded (or drawn) value.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import processes
from benchmarks.made_up import fill
from benchmarks.processes import Server, free_port
from benchmarks.result import Bar, Row, Scale

NAME = "page"
FLEETS = {10_000: (0.3, 2.0), 100_000: (0.6, 4.0)}
"""Vehicles: seconds until a value is visible, and percent of a core a further browser may cost."""
MORE = 20
"""Further viewers, beside the first."""
MORE_STREAMLIT = 2
VIEWERS, STREAMLIT_VIEWERS = "benchmarks.viewers", "benchmarks.reference.viewers"
SETTLE_S = 3.0
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Commits:
    """The log that a changing fleet writes: round -> (monotonic, epoch) of its commit."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[int, tuple[float, float]]:
        """All rounds so far."""
        rows = [line.split() for line in self.path.read_text().splitlines()]
        return {int(r[0]): (float(r[1]), float(r[2])) for r in rows if len(r) == 3}


class Way(NamedTuple):
    """A running page, what its fleet commits, and the module of its viewers."""

    server: Server
    commits: Commits
    viewers: str

    def watched(self, count: int, seconds: float) -> tuple[dict[int, float], float]:
        """What the first of ``count`` viewers saw, and the server's CPU meanwhile in percent."""
        order = [self.viewers, str(self.server.port), str(count), str(seconds)]
        child = subprocess.Popen(
            [sys.executable, "-m", *order], cwd=processes.ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        if child.stdout.readline().strip() != "watching":
            raise ConnectionError(f"viewers did not begin: {order}")
        cpu, start = self.server.cpu_s(), time.monotonic()
        text = child.stdout.read()
        percent = 100.0 * (self.server.cpu_s() - cpu) / (time.monotonic() - start)
        if child.wait() != 0:
            raise ConnectionError(f"viewers failed: {order}")
        return {int(key): float(value) for key, value in json.loads(text).items()}, percent


@contextmanager
def live(folder: Path, vehicles: int) -> Iterator[Way]:
    """Our service over a changing fleet."""
    fill(folder, vehicles)
    port, log = free_port(), folder / "commits.log"
    command = [
        sys.executable, "-m", "benchmarks.live_host", str(folder), str(port), str(vehicles),
        str(log),
    ]  # fmt: skip
    server = Server(command, port, folder / "host.log", "/health/live")
    try:
        yield Way(server, Commits(log), VIEWERS)
    finally:
        server.stop()


def ages(
    seen: dict[int, float], commits: dict[int, tuple[float, float]], clock: int = 0
) -> list[float]:
    """Seconds from each round's commit until it or a later one was seen.

    Rounds up to the first one seen are left out: they may have been there before anyone looked.
    ``clock`` is 0 for the monotonic one, 1 for the epoch's. Raises AssertionError if none is left.
    """
    order = sorted(seen)
    found = []
    for before, number in pairwise(order):
        rounds = [n for n in range(before + 1, number + 1) if n in commits]
        found += [max(0.0, seen[number] - commits[n][clock]) for n in rounds]
    if not found:
        raise AssertionError("nothing changed in view")
    return found


class Figures:
    """Runs of one way of showing a fleet."""

    def __init__(self) -> None:
        self.fresh: list[float] = []
        self.worst: list[float] = []
        self.each: list[float] = []

    def take(self, way: "Way", more: int, seconds: float) -> None:
        """One run: alone, then with ``more`` further viewers."""
        alone, first = way.watched(1, seconds)
        crowd, all_ = way.watched(1 + more, seconds)
        commits = way.commits.read()
        found = ages(alone, commits) + ages(crowd, commits)
        self.fresh.append(float(np.quantile(found, 0.95)))
        self.worst.append(max(found))
        self.each.append((all_ - first) / more)


def measure(scale: Scale) -> list[Row]:
    """Fleets of 10,000 and 100,000 (quick: 2,000 only), then Streamlit, then Chromium."""
    rows = []
    for vehicles, bars in {2000: FLEETS[10_000]}.items() if scale.quick else FLEETS.items():
        rows += _fleet(scale, vehicles, bars)
    return rows


def _fleet(scale: Scale, vehicles: int, bars: tuple[float, float]) -> list[Row]:
    seconds = float(scale.pick(6, 3))
    ours, theirs = Figures(), Figures()
    with live(scale.folder / f"ours-{vehicles}", vehicles) as mine:
        mine.watched(1, 2.0)
        for _ in range(scale.runs):
            ours.take(mine, MORE, seconds)
        drawn = [_chromium(mine, vehicles, 2 * seconds) for _ in range(scale.runs)]
    with streamlit(scale.folder / f"streamlit-{vehicles}", vehicles) as other:
        for _ in range(scale.runs):
            theirs.take(other, MORE_STREAMLIT, max(seconds, 8.0))
    fleet = f"{vehicles:,} vehicles"
    return [
        Row(
            claim=NAME, quantity=f"{fleet}: p95 from commit to decoded", unit="s",
            ours=ours.fresh, reference=theirs.fresh, other="Streamlit",
            bar=Bar(of="value", bound=bars[0]),
            note=f"longest {max(ours.worst):.2f} s; 5 % change each second",
        ),
        Row(
            claim=NAME, quantity=f"{fleet}: p95 from commit to drawn in Chromium", unit="s",
            ours=drawn, bar=Bar(of="value", bound=bars[0]),
            note="Chromium draws without a GPU, on the same cores",
        ),
        Row(
            claim=NAME, quantity=f"{fleet}: CPU of a further browser", unit="% of a core",
            ours=ours.each, reference=theirs.each, other="Streamlit",
            bar=Bar(of="value", bound=bars[1]),
            note=f"{MORE} further viewers, {MORE_STREAMLIT} of Streamlit",
        ),
    ]  # fmt: skip


@contextmanager
def streamlit(folder: Path, vehicles: int) -> Iterator[Way]:
    """The reference's page over a database that changes alike."""
    folder.mkdir(parents=True)
    port, log = free_port(), folder / "commits.log"
    writer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reference.writer", str(folder), str(vehicles), str(log)],
        cwd=processes.ROOT,
    )
    command = [
        sys.executable, "-m", "streamlit", "run", "benchmarks/reference/page.py",
        "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true",
        "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none",
    ]  # fmt: skip
    try:
        processes.until(log.is_file, 300.0)
        environment = {"REFERENCE_HOME": str(folder), "REFERENCE_VEHICLES": str(vehicles)}
        server = Server(command, port, folder / "streamlit.log", "/_stcore/health", environment)
        try:
            yield Way(server, Commits(log), STREAMLIT_VIEWERS)
        finally:
            server.stop()
    finally:
        writer.kill()
        writer.wait()


SHOWN = """() => {
  const shown = document.querySelector('[data-testid=vehicles]');
  return shown && !shown.querySelector('.skeleton') && /[0-9]/.test(shown.textContent);
}"""
FOLLOW = """() => {
  const shown = document.querySelector('[data-testid=vehicles]');
  window.seen = {};
  const look = () => {
    const number = Number(shown.textContent.replace(/[^0-9]/g, ''));
    if (!(number in window.seen)) window.seen[number] = Date.now() / 1000;
    requestAnimationFrame(look);
  };
  look();
}"""


def _chromium(way: Way, vehicles: int, seconds: float) -> float:
    """p95 of the seconds from a commit to the first picture with its count of vehicles."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{way.server.port}/")
        tab.wait_for_function(SHOWN)
        time.sleep(SETTLE_S)
        tab.evaluate(FOLLOW)
        time.sleep(seconds)
        shown: dict[str, float] = tab.evaluate("window.seen")
        browser.close()
    rounds = {int(number) - vehicles: at for number, at in shown.items()}
    return float(np.quantile(ages(rounds, way.commits.read(), 1), 0.95))
