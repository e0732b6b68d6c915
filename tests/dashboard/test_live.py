"""The page and its feed over HTTP and WebSocket, with a made-up store."""

import gzip
import struct
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient, WebSocketTestSession

from evitals.dashboard.feed import Feed
from evitals.dashboard.frame import DELTA, SNAPSHOT, decode
from evitals.service import live
from evitals.service.live import PageFile, live_handlers, same_origin

from .made_up import MemoryStore, as_store, latest

Client = TestClient[Litestar]
BUILT = {
    "index.html": PageFile("text/html", b"<html>page</html>", b"zipped"),
    "assets/index-abc.js": PageFile("text/javascript", b"script", b"zipped"),
}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(latest("a"), latest("b"))


@pytest.fixture
def client(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(live, "page_files", lambda: BUILT)
    app = Litestar(live_handlers)
    app.state.feed = Feed(as_store(store), interval_s=0.01)
    with TestClient(app) as client:
        yield client


def frame(socket: WebSocketTestSession) -> dict[str, Any]:
    read = decode(socket.receive_bytes(timeout=5))
    socket.send_bytes(struct.pack("<I", read["sequence"]))
    return read


def test_a_browser_gets_a_snapshot_then_deltas(client: Client, store: MemoryStore) -> None:
    with client.websocket_connect("/v1/live") as socket:
        first = frame(socket)
        assert (first["kind"], first["ids"]) == (SNAPSHOT, ["a", "b"])
        store.commit(latest("b", soh=0.5), latest("c"))
        second = frame(socket)
        while not len(second["index"]):
            second = frame(socket)
        assert second["kind"] == DELTA
        assert second["ids"] == ["c"]
        assert list(second["columns"]["soh"]) == [5000, 9000]


def test_a_page_of_another_origin_is_refused(client: Client) -> None:
    headers = {"origin": "http://elsewhere.example"}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/v1/live", headers=headers) as socket,
    ):
        socket.receive_bytes(timeout=5)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "127.0.0.1:8420", True),
        ("http://127.0.0.1:8420", "127.0.0.1:8420", True),
        ("http://LOCALHOST:8420", "localhost:8420", True),
        ("http://127.0.0.1:9999", "127.0.0.1:8420", False),
        ("null", "127.0.0.1:8420", False),
        ("http://127.0.0.1:8420", None, False),
    ],
)
def test_same_origin(origin: str | None, host: str | None, allowed: bool) -> None:
    assert same_origin(origin, host) is allowed


def test_a_silent_browser_is_let_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENCE_S", 0.05)
    with client.websocket_connect("/v1/live") as socket:
        assert decode(socket.receive_bytes(timeout=5))["kind"] == SNAPSHOT
        with pytest.raises(WebSocketDisconnect, match="no acknowledgement"):
            socket.receive_bytes(timeout=5)


def test_the_page_is_asked_for_again_and_its_assets_are_kept(client: Client) -> None:
    page = client.get("/", headers={"accept-encoding": "identity"})
    assert page.content == b"<html>page</html>"
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    asset = client.get("/assets/index-abc.js", headers={"accept-encoding": "identity"})
    assert asset.content == b"script"
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/assets/nope.js", "/assets/..%2findex.html", "/favicon.svg"])
def test_only_built_files_are_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_without_a_built_page_it_says_how_to_get_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "page_files", dict)
    reply = client.get("/")
    assert reply.status_code == 503
    assert "run build" in reply.text


def test_page_files_are_zipped_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = tmp_path / "static" / "assets"
    static.mkdir(parents=True)
    (static / "a.css").write_text("body{}")
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    live.page_files.cache_clear()
    try:
        found = live.page_files()
    finally:
        live.page_files.cache_clear()
    assert list(found) == ["assets/a.css"]
    assert gzip.decompress(found["assets/a.css"].zipped) == b"body{}"
