"""The page at ``/`` and its live feed at ``/v1/live``.

To mount: ``Litestar(route_handlers=[*live_handlers, ...])`` with ``app.state.feed`` set to an
``evitals.dashboard.feed.Feed`` before the first request. No lifespan hook is needed: the feed's
task lives while a browser watches.

The browser answers each frame with one binary message (its sequence, u32); that is the only flow
control, so a stalled reader costs a few shared frames and no more. A page of another origin is
refused, because browsers do not apply CORS to WebSockets.
"""

import asyncio
import contextlib
import gzip
import mimetypes
from functools import cache
from importlib import resources
from typing import NamedTuple
from urllib.parse import urlsplit

from litestar import Request, Response, WebSocket, get, websocket
from litestar.datastructures import State
from litestar.exceptions import NotFoundException, WebSocketDisconnect
from litestar.handlers import BaseRouteHandler

from evitals.dashboard.feed import Feed, Subscriber

SILENCE_S = 60.0
"""A browser that acknowledges nothing for so long is gone, s."""
POLICY_VIOLATION, GOING_AWAY = 1008, 1001

ABSENT = b"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>evitals</title>
<body style="font:16px/1.6 system-ui;max-width:40rem;margin:15vh auto;padding:0 1rem">
<h1>The service runs; its page is not built</h1>
<p>This installation was made without the page. Build it with
<code>python web/npm.py ci</code> and <code>python web/npm.py run build</code> in the source tree,
or install the wheel.</p>
<p>The API is at <a href="/v1/fleet">/v1/fleet</a>.</p></body></html>"""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
}


class PageFile(NamedTuple):
    """A file of the built page, ready to send."""

    media_type: str
    plain: bytes
    zipped: bytes


@cache
def page_files() -> dict[str, PageFile]:
    """The built page by path ("index.html", "assets/..."); empty where it was not built."""
    root = resources.files("evitals.dashboard") / "static"
    found: dict[str, PageFile] = {}
    folders = [(root, "")]
    while folders:
        folder, prefix = folders.pop()
        for entry in folder.iterdir() if folder.is_dir() else ():
            path = prefix + entry.name
            if entry.is_dir():
                folders.append((entry, path + "/"))
            else:
                kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
                raw = entry.read_bytes()
                found[path] = PageFile(kind, raw, gzip.compress(raw, mtime=0))
    return found


def _reply(
    request: Request[object, object, State], path: str, cache_control: str
) -> Response[bytes]:
    file = page_files().get(path)
    if file is None:
        raise NotFoundException(detail=f"the page has no file {path[:80]!r}")
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    headers = {**HEADERS, "Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(
        file.zipped if zipped else file.plain, media_type=file.media_type, headers=headers
    )


@get("/", include_in_schema=False, sync_to_thread=False)
def page(request: Request[object, object, State]) -> Response[bytes]:
    """The page; always asked for again, because it names the hashed files."""
    if "index.html" not in page_files():
        return Response(ABSENT, media_type="text/html", status_code=503, headers=HEADERS)
    return _reply(request, "index.html", "no-cache")


@get("/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(request: Request[object, object, State]) -> Response[bytes]:
    """A script or style whose name holds its hash: kept for a year."""
    return _reply(
        request, f"assets/{request.path_params['name']}", "public, max-age=31536000, immutable"
    )


@get("/favicon.svg", include_in_schema=False, sync_to_thread=False)
def icon(request: Request[object, object, State]) -> Response[bytes]:
    """The page's icon."""
    return _reply(request, "favicon.svg", "public, max-age=86400")


@websocket("/v1/live")
async def live(socket: WebSocket[object, object, State]) -> None:
    """Binary frames of ``evitals.dashboard.frame``: a snapshot, then what changes."""
    if not same_origin(socket.headers.get("origin"), socket.headers.get("host")):
        await socket.close(code=POLICY_VIOLATION, reason="another origin")
        return
    await socket.accept()
    feed: Feed = socket.app.state.feed
    subscriber = Subscriber()
    sender = asyncio.create_task(_send(socket, feed, subscriber))
    try:
        while True:
            await asyncio.wait_for(socket.receive_data("binary"), SILENCE_S)
            subscriber.acknowledge()
    except TimeoutError:
        await socket.close(code=GOING_AWAY, reason="no acknowledgement")
    except WebSocketDisconnect:
        pass
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender


async def _send(socket: WebSocket[object, object, State], feed: Feed, to: Subscriber) -> None:
    frames = feed.watch(to)
    # A send to a browser that left fails here; the receiving side ends the connection.
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
        async with contextlib.aclosing(frames):
            async for frame in frames:
                await socket.send_data(frame, mode="binary")


def same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a browser's page came from this host; programs send no origin and may connect."""
    if origin is None:
        return True
    return bool(host) and urlsplit(origin).netloc.lower() == str(host).lower()


live_handlers: list[BaseRouteHandler] = [page, asset, icon, live]
"""Route handlers of the page and its feed; they need ``app.state.feed``."""
