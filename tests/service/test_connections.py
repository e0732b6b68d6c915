"""Connections that stay open (browsers, keep-alive senders) do not shut others out."""

import socket
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import evitals

IDLE = 300


def test_idle_connections_leave_room_for_others(tmp_path: Path) -> None:
    with evitals(tmp_path / "home") as server, ExitStack() as held:
        for _ in range(IDLE):
            idle = held.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        url = f"http://127.0.0.1:{server.port}/health/ready"
        with urllib.request.urlopen(url, timeout=10) as reply:
            assert reply.status == 200
