"""``serve``: the app in granian, in this very process, until SIGTERM or SIGINT.

SQLite has one writer, so there is one process: granian's embedded server runs on our event loop
and spawns none.
"""

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
from collections.abc import Callable

import msgspec
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from evitals.errors import EvitalsError, SettingsError
from evitals.service import hosts
from evitals.service.app import create_app
from evitals.service.owner import address
from evitals.settings import Settings

COLLECT_AFTER = 100_000
"""Objects made and not freed before the garbage collector looks at them."""
STOP_WITHIN_S = 10
CONNECTIONS = 4096
"""Connections at a time; granian's own 128 let browsers and senders beyond them wait for ever."""


def serve(settings: Settings, announce: Callable[[str], None] = print) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted and close the store.

    ``announce`` is told the address once requests are answered. Raises SettingsError for an
    address that is not of this machine alone, or is taken; StoreError where the home is in use.
    """
    check_host(settings.host)
    try:
        asyncio.run(_serve(settings, announce))
    except ExceptionGroup as group:
        # Litestar's lifespan lets even a lone error out as a group.
        raise _alone(group) from None


def check_host(host: str) -> None:
    """Raise SettingsError unless ``host`` is a loopback address: there is no authentication yet."""
    name = "127.0.0.1" if host == "localhost" else host
    try:
        alone = ipaddress.ip_address(name).is_loopback
    except ValueError:
        alone = False
    if not alone:
        raise SettingsError(
            f"EVITALS_HOST={host!r}: only a loopback address (127.0.0.1, ::1) is served, because "
            "nobody is asked who they are yet; put an authenticating proxy in front"
        )


def free_port(host: str, port: int) -> int:
    """``port`` where it can be bound, or any free one for 0. Raises SettingsError where taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"EVITALS_PORT={port}: {host}:{port} cannot be bound ({error.strerror}); "
                "choose another with --port"
            ) from error
        return int(probe.getsockname()[1])


def _alone(error: Exception) -> Exception:
    """The one error within groups of one; a group of several as it is."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _serve(settings: Settings, announce: Callable[[str], None]) -> None:
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    port = free_port(host, settings.port)
    app = create_app(msgspec.structs.replace(settings, host=host, port=port))
    # The lifespan is entered here, not by granian, so that a failing start raises its own error.
    server = Server(
        hosts.only(app, settings.host, *settings.host_names.split(",")),
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        log_level=LogLevels.error,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
    )
    server.workers_kill_timeout = STOP_WITHIN_S
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, server.stop)
    async with app.lifespan():
        _spare_the_collector()
        up = asyncio.create_task(_announce(host, port, announce))
        try:
            # A request that outlives STOP_WITHIN_S is given up: nobody was told it was stored.
            with contextlib.suppress(TimeoutError):
                await server.serve()
        finally:
            up.cancel()
    if server.interrupt_children:
        raise EvitalsError("the HTTP server stopped by itself: its log says why; start it again")


def _spare_the_collector() -> None:
    """Let the garbage collector leave alone what stays, and look less often at what goes soon:
    requests leave no cycles, and a commit's records are many at once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _announce(host: str, port: int, announce: Callable[[str], None]) -> None:
    """Tell the address once a connection is taken: granian has no hook so late."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        announce(address(host, port))
        return
