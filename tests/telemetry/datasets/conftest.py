"""A publisher on this machine that breaks off, changes its files and lies when told to."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Publisher:
    """What is served, and how badly. ``breaks``: bytes after which answers break off, in turn."""

    url: str = ""
    body: bytes = b""
    tag: str | None = '"v1"'
    ranges: bool = True
    length: bool = True
    breaks: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str | None = None
    asked: list[str | None] = field(default_factory=list)

    def address(self, name: str = "data.bin") -> str:
        """The address of a file."""
        return f"{self.url}/{name}"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    told = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            told.asked.append(asked)
            if told.location is not None:
                self.send_response(302)
                self.send_header("Location", told.location)
                self.end_headers()
                return
            if told.statuses:
                self.send_error(told.statuses.pop(0))
                return
            start = 0
            unchanged = self.headers.get("If-Range") in (None, told.tag)
            if asked and told.ranges and unchanged:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(told.body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(told.body)}")
                    self.end_headers()
                    return
                self.send_response(206)
                end = len(told.body) - 1
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(told.body)}")
            else:
                self.send_response(200)
            rest = told.body[start:]
            if told.length:
                self.send_header("Content-Length", str(len(rest)))
            if told.tag:
                self.send_header("ETag", told.tag)
            self.end_headers()
            self.wfile.write(rest[: told.breaks.pop(0)] if told.breaks else rest)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
