"""A fleet sent as it records: to the real service, a real broker, a watched folder."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from evitals.battery import Vehicle
from evitals.errors import EvitalsError, InputError
from evitals.service import deliver as delivery
from evitals.service.deliver import Undelivered, deliver
from evitals.service.simulate import Order, simulate
from evitals.telemetry import read

ORDER = Order(vehicles=4, days=3, seed=5, trips_per_day=2.0)
SENT = 2
MAIN = (
    "import sys; from evitals.cli import main;main(['serve', '--home', sys.argv[1], '--port', '0'])"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fleet") / "fleet"
    simulate(ORDER, out)
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A made fleet of which nothing was sent yet."""
    return Path(shutil.copytree(made, tmp_path / "out"))


def expected() -> list[tuple[str, int]]:
    """What is sent: vehicles and starts in order of the recordings' ends."""
    fleet = ORDER.fleet()
    trips = [t for i in (0, 2) for t in fleet.trips(i)]
    trips.sort(key=lambda t: t.start_s + t.duration_s)
    return [(t.vehicle_id, t.start_s) for t in trips]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """``evitals serve`` as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", MAIN, str(tmp_path / "home")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_service_answers_for_every_vehicle_sent(service: str, out: Path) -> None:
    count = deliver(ORDER, out, service, SENT)
    assert count == len(expected())
    rows = httpx.get(f"{service}/v1/fleet").json()["rows"]
    assert {row["vehicle_id"] for row in rows} == {v for v, _ in expected()}
    trips = {
        v: httpx.get(f"{service}/v1/vehicles/{v}/trips").json()["total"]
        for v in {v for v, _ in expected()}
    }
    (out / delivery.SENT).unlink()
    assert deliver(ORDER, out, service, SENT) == count
    for vehicle_id, total in trips.items():
        assert httpx.get(f"{service}/v1/vehicles/{vehicle_id}/trips").json()["total"] == total > 0


def test_a_watched_folder_of_a_running_service_takes_what_is_dropped(
    service: str, out: Path, tmp_path: Path
) -> None:
    known = sorted({v for v, _ in expected()})
    for vehicle_id in known:
        described = (out / "vehicles" / f"{vehicle_id}.json").read_bytes()
        form = {"Content-Type": "application/json"}
        reply = httpx.put(f"{service}/v1/vehicles/{vehicle_id}", content=described, headers=form)
        assert reply.is_success, reply.text
    home = tmp_path / "home"
    count = deliver(ORDER, out, str(home / "incoming"), SENT)
    until = time.monotonic() + 60
    while len(list((home / "archive").rglob("*.csv"))) < count:
        assert time.monotonic() < until, "not all files were read"
        time.sleep(0.05)
    assert not [*(home / "quarantine").iterdir(), *(home / "held").iterdir()]
    rows = httpx.get(f"{service}/v1/fleet").json()["rows"]
    assert sorted(row["vehicle_id"] for row in rows) == known


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """A Mosquitto of our own; skips with one line where there is none."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        pytest.skip("Mosquitto is missing: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([found, "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def test_the_broker_has_every_recording_and_the_descriptions(broker: int, out: Path) -> None:
    client = pytest.importorskip("paho.mqtt.client", reason="pip install 'evitals[mqtt]'")
    came: list[tuple[str, bytes]] = []
    listener = client.Client(client.CallbackAPIVersion.VERSION2)
    listening = threading.Event()
    listener.on_message = lambda _c, _d, message: came.append((message.topic, message.payload))
    listener.on_subscribe = lambda *_: listening.set()
    listener.connect("127.0.0.1", broker)
    listener.subscribe("depot/north/#", qos=1)
    listener.loop_start()
    assert listening.wait(20)
    count = deliver(ORDER, out, f"mqtt://127.0.0.1:{broker}/depot/north", SENT)
    until = time.monotonic() + 20
    while len(came) < count + SENT and time.monotonic() < until:
        time.sleep(0.02)
    listener.disconnect()
    listener.loop_stop()
    described = [body for topic, body in came if topic.startswith("depot/north/vehicles/")]
    assert [msgspec.json.decode(body, type=Vehicle).vehicle_id for body in described] == [
        ORDER.fleet().vehicle(i).vehicle_id for i in (0, 2)
    ]
    bodies = [body for topic, body in came if topic.startswith("depot/north/trips/")]
    found = [r for body in bodies for r in read(body, name="x.parquet").recordings]
    assert [(r.vehicle_id, int(r.start.timestamp())) for r in found if r.start] == expected()


def test_a_broker_that_is_away_is_named(out: Path) -> None:
    pytest.importorskip("paho.mqtt.client", reason="pip install 'evitals[mqtt]'")
    with pytest.raises(Undelivered, match=r"127\.0\.0\.1:1/t: does not answer"):
        deliver(ORDER, out, "mqtt://127.0.0.1:1/t", SENT)


def test_missing_paho_names_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(EvitalsError, match=r"pip install 'evitals\[mqtt\]'"):
        delivery.check("mqtt://127.0.0.1/t")


def test_a_folder_gets_each_recording_once_at_the_stated_speed(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    waits: list[float] = []

    def stopping(done: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(ORDER, out, str(folder), SENT, 1e6, pause=waits.append, progress=stopping)
    first = len(list(folder.glob("*.csv")))
    assert 4 <= first < len(expected())
    rest = deliver(ORDER, out, str(folder), SENT, 1e6, pause=waits.append)
    assert first + rest == len(list(folder.glob("*.csv"))) == len(expected())
    spans = [b - a for (_, a), (_, b) in zip(expected(), expected()[1:], strict=False)]
    assert max(waits) == pytest.approx(max(spans) / 1e6, abs=0.5)
    assert deliver(ORDER, out, str(folder), SENT) == 0
    assert deliver(ORDER, out, str(tmp_path / "elsewhere"), SENT) == len(expected())


class Refusing(BaseHTTPRequestHandler):
    """Busy twice, then whatever ``status`` says."""

    status = 422
    asked = 0

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        busy = self.asked <= 2
        body = b'{"title": "Unusable", "detail": "soc is a word"}'
        self.send_response(503 if busy else self.status)
        if busy:
            self.send_header("Retry-After", "0.05")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_busy_service_is_asked_again_and_a_refusal_is_told(out: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(Undelivered, match="answered 422: soc is a word; put that right"):
            deliver(ORDER, out, f"http://127.0.0.1:{server.server_port}", SENT)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert Refusing.asked == 3


def test_a_service_that_stays_away_is_given_up(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_S", 0.5)
    with pytest.raises(Undelivered, match="does not answer"):
        deliver(ORDER, out, "http://127.0.0.1:1", SENT)


@pytest.mark.parametrize("to", ["http://", "mqtt://host", "mqtt://host/a/#", "ftp://host"])
def test_addresses_that_cannot_be_are_refused(to: str) -> None:
    with pytest.raises(InputError, match="to"):
        delivery.check(to)


def test_speed_is_above_zero(out: Path) -> None:
    with pytest.raises(InputError, match="speedup"):
        deliver(ORDER, out, "somewhere", SENT, 0.0)
