"""A request by a foreign name (DNS rebinding) is refused before anything of the app runs."""

import asyncio
import json
from typing import Any

import pytest

from evitals.service.hosts import host_of, only

Headers = list[tuple[bytes, bytes]]


def asked(*names: str, kind: str = "http", headers: Headers) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the app behind the guard was reached, and what the guard sent itself."""
    reached: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": kind, "path": "/v1/fleet", "headers": headers}
    asyncio.run(only(app, *names)(scope, receive, send))  # type: ignore[arg-type]
    return bool(reached), sent


def host(name: str) -> Headers:
    return [(b"host", name.encode())]


@pytest.mark.parametrize(
    "name",
    ["localhost", "LocalHost:8420", "127.0.0.1", "127.0.0.1:8420", "[::1]:8420", "localhost.:80"],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_loopback_names_are_let_in(name: str, kind: str) -> None:
    assert asked(kind=kind, headers=host(name)) == (True, [])


@pytest.mark.parametrize("name", ["127.0.0.2", "Fleet.Example:443", "proxy"])
def test_configured_names_are_let_in(name: str) -> None:
    names = ("127.0.0.2", "fleet.example", " proxy ", "")
    assert asked(*names, headers=host(name)) == (True, [])


@pytest.mark.parametrize(
    "headers",
    [
        host("evil.example"),
        host("127.0.0.1.evil.example:8420"),
        host("localhost@evil.example"),
        host(""),
        [],
        [*host("localhost"), *host("evil.example")],
    ],
)
def test_other_names_get_a_problem(headers: Headers) -> None:
    reached, (start, body) = asked("", headers=headers)
    assert not reached
    assert start["status"] == 421
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    problem = json.loads(body["body"])
    assert problem["status"] == 421
    assert (problem["reason"], problem["field"]) == ("unknown_host", "Host")
    assert problem["instance"] == "/v1/fleet"
    assert "EVITALS_HOST_NAMES" in problem["remedy"]


def test_a_websocket_by_another_name_is_closed() -> None:
    reached, [message] = asked(kind="websocket", headers=host("evil.example"))
    assert not reached
    assert (message["type"], message["code"]) == ("websocket.close", 1008)


def test_the_lifespan_passes() -> None:
    assert asked(kind="lifespan", headers=[]) == (True, [])


@pytest.mark.parametrize(
    ("header", "name"), [("A.b:1", "a.b"), ("[::1]", "::1"), ("::1", ""), ("", ""), (" x ", "x")]
)
def test_the_name_in_a_header(header: str, name: str) -> None:
    assert host_of(header) == name
