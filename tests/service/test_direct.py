"""``POST /predict`` before the framework: same bytes, same refusals, however the body comes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar

from evitals.service.app import create_app
from evitals.service.routes.predict import MAX_ONE_BYTES
from evitals.settings import Settings

BODY = json.dumps({"vehicle_id": "V1", "discharge_time_s": 3245.8, "avg_current": -1.98}).encode()


def ask(
    app: Litestar, parts: list[bytes], kind: bytes = b"application/json"
) -> tuple[int, dict[str, Any]]:
    """Status and reply to a body that comes in ``parts``."""
    waiting = [
        {"type": "http.request", "body": part, "more_body": n < len(parts)}
        for n, part in enumerate(parts, 1)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http", "method": "POST", "path": "/predict", "raw_path": b"/predict",
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(b"content-type", kind)], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80), "extensions": {},
    }  # fmt: skip

    async def run() -> None:
        async with app.lifespan():
            await app(scope, receive, send)

    asyncio.run(run())
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)


@pytest.fixture
def app(tmp_path: Path) -> Litestar:
    return create_app(Settings(home=tmp_path), watch=False)


@pytest.mark.parametrize("cuts", [1, 2, 5])
def test_a_body_in_parts_is_answered(app: Litestar, cuts: int) -> None:
    size = -(-len(BODY) // cuts)
    parts = [BODY[k : k + size] for k in range(0, len(BODY), size)]
    status, reply = ask(app, parts)
    assert (status, reply["vehicle_id"]) == (200, "V1")
    assert reply["capacity_ah"] == pytest.approx(1.98 * 3245.8 / 3600, rel=1e-6)


@pytest.mark.parametrize("parts", [[b'{"vehicle_id": "V1"', b"}"], [b"{", b"no"], [b"[]"]])
def test_a_refused_body_reaches_the_framework_whole(app: Litestar, parts: list[bytes]) -> None:
    status, reply = ask(app, parts)
    assert status in (400, 422)
    assert reply["instance"] == "/predict"
    assert reply["reason"] in ("missing", "malformed_body")


def test_a_body_that_never_ends_is_cut_off(app: Litestar) -> None:
    status, reply = ask(app, [b" " * MAX_ONE_BYTES, b" " * 10, BODY])
    assert (status, reply["reason"]) == (413, "too_large")


def test_another_media_type_is_refused(app: Litestar) -> None:
    status, reply = ask(app, [BODY], b"text/plain")
    assert (status, reply["reason"]) == (415, "unsupported_media_type")
