"""A fleet's recordings sent as they end, at a stated speed: to a service, a broker or a folder.

``http://host:port`` is a service's API, ``mqtt://host:port/topic`` a broker (descriptions are
retained at ``topic/vehicles/ID``, recordings go to ``topic/trips/ID`` as Parquet, QoS 1),
anything else a folder that is watched. What was acknowledged is counted in ``sent.json`` of the
fleet's folder, so that a delivery that was stopped goes on there. What was sent twice changes
nothing: a service knows trips by their content.
"""

import heapq
import http.client
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Struct

from evitals.battery import Vehicle
from evitals.errors import EvitalsError, InputError, MissingExtra
from evitals.service import outputs
from evitals.service.chunk import samples, spread
from evitals.service.simulate import Order
from evitals.twin.fleet import Fleet
from evitals.twin.live import write_trip
from evitals.twin.recorder import TwinTrip

SENT = "sent.json"
TOGETHER = 32
"""Recordings that are due already are sent together, up to so many."""
PATIENCE_S = 60.0
"""How long a receiver may be away."""
REPLY_S = 120.0


class Undelivered(EvitalsError):
    """A receiver refused a recording, or was away for too long."""


class Destination(Protocol):
    """Where recordings go. ``send`` returns when the receiver has them."""

    def describe(self, vehicle: Vehicle) -> None:
        """Say what a vehicle is, before its first recording."""

    def send(self, trips: Sequence[TwinTrip]) -> None:
        """Hand over recordings. Raises Undelivered."""

    def close(self) -> None:
        """Take leave."""


class _Sent(Struct, kw_only=True):
    to: str
    vehicles: int
    recordings: int = 0


def deliver(
    order: Order,
    out: Path,
    to: str,
    sample: int,
    speedup: float | None = None,
    *,
    progress: Callable[[int], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Send what ``sample`` vehicles record, in order of its end; returns how many were sent now.

    ``speedup`` is simulated seconds a second, None is as fast as the receiver takes them.
    ``progress`` is told how many are sent in all. Raises InputError, Undelivered, MissingExtra.
    """
    if speedup is not None and not speedup > 0.0:
        raise InputError("speedup", speedup, "is not above 0", "give 1 for real time or more")
    fleet = order.fleet()
    numbers = spread(order.vehicles, sample)
    sent = _sent(out, _Sent(to=to, vehicles=sample))
    before = sent.recordings
    with closing(destination(to)) as receiver:
        for i in numbers:
            receiver.describe(fleet.vehicle(i))
        for trips in _due(_merged(fleet, numbers, sent.recordings), speedup, pause):
            receiver.send(trips)
            sent.recordings += len(trips)
            outputs.save(out / SENT, msgspec.json.encode(sent))
            progress(sent.recordings)
    return sent.recordings - before


def check(to: str) -> None:
    """Raises InputError for an address that cannot be, MissingExtra for MQTT without its extra."""
    where = urlsplit(to)
    topic = where.path.strip("/")
    if where.scheme in ("http", "https"):
        if not where.hostname:
            raise InputError("to", to, "names no host", "use http://host:port")
    elif where.scheme == "mqtt":
        if not where.hostname or not topic or "+" in topic or "#" in to:
            raise InputError("to", to, "names no host and topic", "use mqtt://host:port/topic")
        _paho()
    elif "://" in to:
        remedy = "use http://host:port, mqtt://host:port/topic or a folder"
        raise InputError("to", to, "is no address to send to", remedy)


def destination(to: str) -> Destination:
    """Open what ``to`` names. Raises like ``check``, and Undelivered."""
    check(to)
    where = urlsplit(to)
    if where.scheme in ("http", "https"):
        return Http(where)
    return Mqtt(where) if where.scheme == "mqtt" else Folder(Path(to))


def _sent(out: Path, new: _Sent) -> _Sent:
    """How far an earlier delivery of the same to the same receiver got."""
    try:
        found = msgspec.json.decode((out / SENT).read_bytes(), type=_Sent)
    except (OSError, msgspec.DecodeError):
        return new
    return found if (found.to, found.vehicles) == (new.to, new.vehicles) else new


def _merged(fleet: Fleet, numbers: Sequence[int], skip: int) -> Iterator[TwinTrip]:
    lives = [fleet.trips(i) for i in numbers]
    for k, trip in enumerate(heapq.merge(*lives, key=_end_s)):
        if k >= skip:
            yield trip


def _end_s(trip: TwinTrip) -> float:
    return trip.start_s + trip.duration_s


def _due(
    trips: Iterator[TwinTrip], speedup: float | None, pause: Callable[[float], None]
) -> Iterator[list[TwinTrip]]:
    """Recordings when they are due, those that are late together. The clock starts at the first."""
    late: list[TwinTrip] = []
    began: float | None = None
    for trip in trips:
        ends = _end_s(trip) / speedup if speedup else 0.0
        now = time.monotonic()
        began = now - ends if began is None else began
        if late and (len(late) == TOGETHER or began + ends > now):
            yield late
            late = []
        wait = began + ends - time.monotonic()
        if wait > 0.0:
            pause(wait)
        late.append(trip)
    if late:
        yield late


class Folder:
    """A folder that is watched: one CSV a recording, whole or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def describe(self, vehicle: Vehicle) -> None:
        """A folder takes no descriptions: they lie beside the truth."""

    def send(self, trips: Sequence[TwinTrip]) -> None:
        """Drop the files. Raises StoreError where the folder refuses."""
        for trip in trips:
            try:
                write_trip(trip, self.folder)
            except OSError as error:
                raise outputs.refused(self.folder, error) from error

    def close(self) -> None:
        """Nothing is open."""


class Http:
    """A service's API: ``PUT /v1/vehicles/ID``, ``POST /v1/trips``."""

    def __init__(self, where: SplitResult) -> None:
        kind = http.client.HTTPSConnection if where.scheme == "https" else _Plain
        self._where = where.geturl()
        self._path = where.path.rstrip("/")
        self._link = kind(where.hostname or "", where.port, timeout=REPLY_S)

    def describe(self, vehicle: Vehicle) -> None:
        """Put the description. Raises Undelivered."""
        path = f"/v1/vehicles/{vehicle.vehicle_id}"
        self._ask("PUT", path, "application/json", msgspec.json.encode(vehicle))

    def send(self, trips: Sequence[TwinTrip]) -> None:
        """Post the recordings as one Parquet body; the reply waits for their commit."""
        self._ask("POST", "/v1/trips", "application/vnd.apache.parquet", parquet(trips))

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _ask(self, method: str, path: str, form: str, body: bytes) -> None:
        """Until the receiver has it: again where it is busy or away, for a while."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._link.request(method, self._path + path, body, {"Content-Type": form})
                reply = self._link.getresponse()
                said, status = reply.read(), reply.status
                wait = float(reply.headers.get("Retry-After") or 1.0)
            except (OSError, http.client.HTTPException) as error:
                self._link.close()
                said, status, wait = str(error).encode(), 0, 1.0
            if 200 <= status < 300:
                return
            if status not in (0, 429, 503) or time.monotonic() + wait > until:
                raise Undelivered(f"{self._where}: {_refusal(status, said)}; {_AGAIN}")
            time.sleep(wait)


_Plain = http.client.HTTPConnection
_AGAIN = "put that right and give the same command again: it goes on there"


def _refusal(status: int, said: bytes) -> str:
    try:
        problem: dict[str, Any] = msgspec.json.decode(said, type=dict[str, Any])
    except msgspec.DecodeError:
        text = said[:200].decode("utf-8", "replace")
        return f"answered {status}: {text}" if status else f"does not answer ({text})"
    return f"answered {status}: {problem.get('detail') or problem.get('title')}"


def parquet(trips: Sequence[TwinTrip]) -> bytes:
    """Recordings as one Parquet file, compressed."""
    content = io.BytesIO()
    samples(trips).write_parquet(content, compression="zstd", compression_level=1)
    return content.getvalue()


def _paho() -> Any:
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise MissingExtra("mqtt") from error
    return client


class Mqtt:
    """A broker: one message a recording, acknowledged by the broker (QoS 1)."""

    def __init__(self, where: SplitResult) -> None:
        client = _paho()
        self._topic = where.path.strip("/")
        self._where = where.geturl()
        self._client = client.Client(client.CallbackAPIVersion.VERSION2)
        if where.username:
            self._client.username_pw_set(where.username, where.password)
        try:
            self._client.connect(where.hostname or "", where.port or 1883)
        except OSError as error:
            raise Undelivered(f"{self._where}: does not answer ({error}); {_AGAIN}") from error
        self._client.loop_start()

    def describe(self, vehicle: Vehicle) -> None:
        """Publish the description, retained for whoever subscribes later."""
        topic = f"{self._topic}/vehicles/{vehicle.vehicle_id}"
        self._wait([self._client.publish(topic, msgspec.json.encode(vehicle), 1, retain=True)])

    def send(self, trips: Sequence[TwinTrip]) -> None:
        """Publish each recording; returns when the broker has acknowledged all."""
        self._wait(
            [
                self._client.publish(f"{self._topic}/trips/{trip.vehicle_id}", parquet([trip]), 1)
                for trip in trips
            ]
        )

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, messages: Sequence[Any]) -> None:
        """paho connects again by itself and sends what was not acknowledged once more."""
        until = time.monotonic() + PATIENCE_S
        for message in messages:
            while not message.is_published():
                if time.monotonic() > until:
                    raise Undelivered(f"{self._where}: acknowledges nothing; {_AGAIN}")
                time.sleep(0.002)
