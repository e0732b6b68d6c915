"""The service that owns a home: its address, and how a command asks it to write."""

from contextlib import closing
from http import HTTPStatus, client
from typing import Any
from urllib.parse import urlsplit

import msgspec

from evitals.battery import Vehicle
from evitals.errors import HomeInUse, InputError, StoreError

OWNER = "evitals serve at "
"""What a service calls itself in ``.owner``, before its address."""
REPLY_S = 600.0
"""A vehicle of many trips is estimated anew before the reply."""


def address(host: str, port: int) -> str:
    """Where a service answers."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def describe(taken: HomeInUse, vehicle: Vehicle) -> list[dict[str, Any]]:
    """Have the service that has the home describe a vehicle; reports of the files it released.

    Raises ``taken`` where its owner is no service, StoreError where it does not answer, InputError
    where it refuses.
    """
    if not taken.owner.startswith(OWNER):
        raise taken
    where = urlsplit(taken.owner.removeprefix(OWNER).split()[0])
    path = f"/v1/vehicles/{vehicle.vehicle_id}"
    form = {"Content-Type": "application/json"}
    link = client.HTTPConnection(where.hostname or "", where.port, timeout=REPLY_S)
    with closing(link):
        try:
            link.request("PUT", path, msgspec.json.encode(vehicle), form)
            reply = link.getresponse()
            said: dict[str, Any] = msgspec.json.decode(reply.read())
        except (OSError, client.HTTPException, msgspec.DecodeError) as error:
            raise StoreError(f"{taken.owner} does not answer ({error}); try again") from error
    if reply.status != HTTPStatus.OK:
        problem = f"is refused by {taken.owner}: {said.get('detail')}"
        remedy = said.get("remedy") or "see its log"
        raise InputError("vehicle_id", vehicle.vehicle_id, problem, remedy)
    released: list[dict[str, Any]] = said["released"]
    return released
