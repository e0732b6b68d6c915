"""``evitals serve`` as a process: one process, one writer, loopback only, a clean stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from click.testing import CliRunner, Result

from evitals.cli import main
from evitals.errors import SettingsError
from evitals.fleet.open import open_store
from evitals.service.home import Home
from evitals.service.owner import OWNER, address
from evitals.service.run import check_host, free_port

ROW = {"discharge_time_s": 3600.0, "avg_current": -1.5}
MAIN = (
    "import sys; from evitals.cli import main;main(['serve', '--home', sys.argv[1], '--port', '0'])"
)


class Running:
    """A served home."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.url = line.split()[-1] if line else ""
        if not self.url.startswith("http://127.0.0.1:"):
            self.process.kill()
            pytest.fail(f"{line!r} {self.process.communicate()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    served = Running(tmp_path)
    yield served
    if served.process.poll() is None:
        served.process.kill()
        served.process.communicate()


def test_a_page_by_another_name_learns_nothing(running: Running) -> None:
    """DNS rebinding: another site's name resolves to this machine."""
    foreign = {"Host": "evil.example"}
    for path in ("/", "/v1/fleet", "/health/live"):
        reply = httpx.get(running.url + path, headers=foreign)
        assert reply.status_code == 421
        assert reply.json()["reason"] == "unknown_host"
    reply = httpx.post(running.url + "/predict", json=ROW | {"vehicle_id": "V1"}, headers=foreign)
    assert reply.status_code == 421
    own = {"Host": f"localhost:{running.url.rpartition(':')[2]}"}
    assert httpx.get(running.url + "/v1/fleet", headers=own).json()["total"] == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_answered_requests_survive_a_clean_stop(
    running: Running, tmp_path: Path, how: signal.Signals
) -> None:
    with httpx.Client(base_url=running.url) as client, ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(
                lambda n: client.post("/predict", json=ROW | {"vehicle_id": f"V{n}"}), range(200)
            )
        )
    assert {reply.status_code for reply in replies} == {200}
    code, errors = running.stop(how)
    assert code == 0, errors
    assert "Traceback" not in errors
    store = open_store(tmp_path)
    try:
        assert store.vehicles(limit=1)[0] == 200
    finally:
        store.close()


def test_what_was_answered_survives_kill(running: Running, tmp_path: Path) -> None:
    with httpx.Client(base_url=running.url) as client:
        for number in range(20):
            reply = client.post("/predict", json=ROW | {"vehicle_id": f"V{number}"})
            assert reply.status_code == 200
        running.process.kill()
    running.process.communicate(timeout=30)
    store = open_store(tmp_path)
    try:
        assert store.vehicles(limit=1)[0] == 20
    finally:
        store.close()


def test_it_is_one_process(running: Running) -> None:
    assert httpx.get(f"{running.url}/health/ready").json()["status"] == "ok"
    assert psutil.Process(running.process.pid).children(recursive=True) == []


def test_a_second_service_on_the_same_home_is_refused(running: Running, tmp_path: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-c", MAIN, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "500"},
    )
    assert second.returncode != 0
    assert "in use" in second.stderr
    assert "Traceback" not in second.stderr
    assert httpx.get(f"{running.url}/health/live").status_code == 200


def add(home: Path, *arguments: str) -> Result:
    """``evitals vehicles add`` of a BMW i3."""
    command = ["vehicles", "add", "--builtin", "bmw-i3-60ah", "--home", str(home)]
    return CliRunner(env={"COLUMNS": "500"}).invoke(main, [*command, *arguments])


def test_a_vehicle_is_added_by_the_service_that_has_the_home(
    running: Running, tmp_path: Path
) -> None:
    (tmp_path / "incoming" / "late.csv").write_text(
        "vehicle_id,timestamp,current_a,voltage_v,soc,temperature_degc\n"
        + "".join(f"late,{1_760_000_000 + 10 * i},30,360,{0.3 + i / 2e3},24\n" for i in range(400))
    )
    until = time.monotonic() + 30
    while not httpx.get(running.url + "/v1/files").json()["counts"].get("held"):
        assert time.monotonic() < until, "the file is not held"
        time.sleep(0.05)
    told = add(tmp_path, "--as", "late", "--json")
    assert told.exit_code == 0, told.output
    said = msgspec.json.decode(told.stdout)
    assert [(f["name"], f["state"]) for f in said["released"]] == [("late.csv", "stored")]
    assert httpx.get(running.url + "/v1/vehicles/late").json()["description"] is not None


@pytest.mark.parametrize(
    ("owner", "problem"),
    [
        ("evitals rescore", "in use by evitals rescore"),
        (OWNER + address("127.0.0.1", 1), "does not answer"),
    ],
)
def test_an_owner_that_cannot_be_asked_is_named(tmp_path: Path, owner: str, problem: str) -> None:
    home = Home(tmp_path)
    home.own(owner)
    told = add(tmp_path)
    home.disown()
    assert told.exit_code == 1
    assert problem in told.output


def test_an_open_connection_does_not_hold_up_the_stop(running: Running) -> None:
    port = int(running.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        started = time.monotonic()
        code, errors = running.stop()
    assert code == 0, errors
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        check_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_is_served(host: str) -> None:
    check_host(host)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)):
            free_port("127.0.0.1", port)
    assert free_port("127.0.0.1", 0) > 0
