"""Downloads from publishers: resumed where they broke off, bounded, checked, in place at once.

A file grows as ``NAME.part`` beside ``NAME.part.json`` (address, validator) and gets its name when
its checksum is known to be right. Without a checksum from the publisher the first download is
recorded in ``files.lock.json``: trust on first use, and said so.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec
from msgspec import Struct

from evitals.errors import EvitalsError, InputError
from evitals.telemetry.datasets.dataset import PublishedFile
from evitals.telemetry.datasets.lock import Locked, read_lock, write_lock

BLOCK = 256 * 1024
MAX_FILE_BYTES = 4 * 2**30
TIMEOUT_S = 60.0
ATTEMPTS = 6
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
AGENT = "evitals (public data sets)"

Progress = Callable[[int, int | None], None]
"""Called with the bytes there are and the bytes there will be, where known."""


class DownloadFailed(EvitalsError):
    """A download that did not come to its end; what came is kept and resumed next time."""


class _Part(Struct):
    """What a half file is half of."""

    url: str
    validator: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file in place: where, its record, and whether it was there already."""

    path: Path
    locked: Locked
    already: bool


def fetch(
    file: PublishedFile,
    folder: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    max_bytes: int = MAX_FILE_BYTES,
    attempts: int = ATTEMPTS,
    pause_s: float = 2.0,
) -> Fetched:
    """``file`` in ``folder``, downloaded or resumed unless it is there and right.

    Raises DownloadFailed after ``attempts`` breaks (the part is kept), InputError for a wrong
    checksum, a file larger than ``max_bytes`` or than its declared size, and an address that is
    not https (http is taken for this machine alone).
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_address(file.url)
    path, records = folder / file.name, read_lock(folder)
    known = records.get(file.name)
    expected = file.sha256 or (known.sha256 if known else None)
    if path.is_file() and known is not None and expected == known.sha256:
        if digest_of(path) == expected:
            return Fetched(path, known, already=True)
        path.unlink()  # damaged on disk since: fetched anew, against the same checksum
    if file.size is not None and file.size > max_bytes:
        raise _too_large(file.name, file.size, max_bytes)
    part = folder / f"{file.name}.part"
    for attempt in range(1, attempts + 1):
        try:
            if _download(file, part, max_bytes, progress):
                break
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) == 28 or not _passing(error) or attempt == attempts:
                raise _failed(file, part, error) from error
        if attempt == attempts:
            raise _failed(file, part, EOFError("the connection closed early"))
        time.sleep(pause_s * attempt)
    return _placed(file, part, path, expected, records)


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as data:
        while block := data.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise InputError(
        "url", url, "is not an https address", "give the publisher's https address", reason="url"
    )


class _Redirects(HTTPRedirectHandler):
    """Follows a redirection only where its address is as good as the first."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@contextmanager
def opened(url: str, headers: dict[str, str] | None = None) -> Iterator[HTTPResponse]:
    """An answer to a GET of ``url``. Raises OSError or HTTPException as urllib does."""
    request = Request(url, headers={"User-Agent": AGENT, **(headers or {})})  # noqa: S310
    with build_opener(_Redirects()).open(request, timeout=TIMEOUT_S) as answer:
        yield answer


def _download(file: PublishedFile, part: Path, max_bytes: int, progress: Progress) -> bool:
    """Append what is missing to ``part``; True where it is complete."""
    note = part.with_name(part.name + ".json")
    have, validator = _resumable(file, part, note)
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and validator:
        headers["If-Range"] = validator  # changed since: the whole comes again
    try:
        with opened(file.url, headers) as answer:
            start = _start(answer) if answer.status == 206 else 0
            if start not in (0, have):
                part.unlink()
                return False
            total = _total(answer, start)
            _check_room(file, part, total, start, max_bytes)
            note.write_bytes(msgspec.json.encode(_Part(file.url, _validator(answer))))
            with part.open("ab" if start else "wb") as out:
                return _copied(file, answer, out, start, total, max_bytes, progress)
    except HTTPError as error:
        if error.code == 416:  # nothing is left to send, or the part is of another file
            if file.size is not None and have == file.size:
                return True
            complete = error.headers.get("Content-Range", "") == f"bytes */{have}"
            if not complete:
                part.unlink(missing_ok=True)
            return complete
        raise


def _resumable(file: PublishedFile, part: Path, note: Path) -> tuple[int, str | None]:
    """The bytes that can be kept, and the validator they came with."""
    try:
        noted = msgspec.json.decode(note.read_bytes(), type=_Part)
    except (OSError, msgspec.DecodeError):
        noted = None
    if noted is None or noted.url != file.url or not part.is_file():
        part.unlink(missing_ok=True)
        return 0, None
    return part.stat().st_size, noted.validator


def _validator(answer: HTTPResponse) -> str | None:
    tag = answer.headers.get("ETag")
    # A weak tag does not promise equal bytes and may not be used with If-Range.
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _start(answer: HTTPResponse) -> int:
    words = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(words) if words.isdigit() else -1


def _total(answer: HTTPResponse, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _check_room(
    file: PublishedFile, part: Path, total: int | None, start: int, max_bytes: int
) -> None:
    if total is None:
        return
    if total > max_bytes:
        raise _too_large(file.name, total, max_bytes)
    free = shutil.disk_usage(part.parent).free
    if total - start > free:
        raise InputError(
            file.name,
            f"{total - start} bytes",
            f"do not fit: {free} bytes are free in {part.parent}",
            "make room, or choose another --home",
            reason="disk_full",
        )


def _copied(
    file: PublishedFile,
    answer: HTTPResponse,
    out: IO[bytes],
    start: int,
    total: int | None,
    max_bytes: int,
    progress: Progress,
) -> bool:
    done = start
    limit = min(max_bytes, file.size if file.size is not None else max_bytes)
    while block := answer.read1(BLOCK):
        done += len(block)
        if done > limit:
            out.truncate(0)
            raise _too_large(file.name, done, limit)
        out.write(block)
        progress(done, total or file.size)
    out.flush()
    os.fsync(out.fileno())
    whole = total if total is not None else file.size
    return whole is None or done == whole


def _placed(
    file: PublishedFile,
    part: Path,
    path: Path,
    expected: str | None,
    records: dict[str, Locked],
) -> Fetched:
    found = digest_of(part)
    if expected is not None and found != expected:
        whose = "its publisher's" if file.sha256 else "that of its first download"
        part.unlink()
        raise InputError(
            file.name,
            found,
            f"is not {whose} checksum, {expected}",
            "fetch it again; if it stays, the publisher changed the file: compare, then remove "
            "its record from files.lock.json",
            reason="wrong_checksum",
        )
    locked = Locked(
        url=file.url,
        sha256=found,
        size=part.stat().st_size,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        trust="publisher" if file.sha256 else "first use",
    )
    # Named before it is recorded: after a crash between, the next run checks it by fetching anew.
    part.replace(path)
    part.with_name(part.name + ".json").unlink(missing_ok=True)
    write_lock(path.parent, {**records, file.name: locked})
    return Fetched(path, locked, already=False)


def _passing(error: Exception) -> bool:
    """Whether trying again may help."""
    if isinstance(error, HTTPError):
        return error.code in (404, 408, 425, 429) or error.code >= 500  # Mendeley: passing 404s
    return isinstance(error, URLError | OSError | HTTPException)


def _failed(file: PublishedFile, part: Path, error: Exception) -> DownloadFailed:
    have = part.stat().st_size if part.is_file() else 0
    kept = f"{have} bytes are kept, run the command again to resume" if have else "nothing came"
    return DownloadFailed(f"{file.name}: {file.url} failed ({error}); {kept}")


def _too_large(name: str, size: int, limit: int) -> InputError:
    return InputError(
        name,
        f"{size} bytes",
        f"are more than the {limit} that are taken",
        "raise --max-bytes if the publisher means it",
        reason="too_large",
    )
