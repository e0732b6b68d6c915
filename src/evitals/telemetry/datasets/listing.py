"""A publisher's own list of files: names, addresses, sizes and SHA-256 (Mendeley Data's JSON)."""

import re
from collections import Counter
from dataclasses import replace
from http.client import HTTPException

import msgspec
from msgspec import Struct

from evitals.errors import InputError
from evitals.telemetry.datasets.dataset import Dataset, PublishedFile
from evitals.telemetry.datasets.fetch import DownloadFailed, opened

MAX_BYTES = 16 * 2**20
MAX_FILES = 5_000


class _Content(Struct):
    download_url: str
    sha256_hash: str
    size: int


class _Listed(Struct):
    filename: str
    content_details: _Content


class _Listing(Struct):
    files: list[_Listed]


def published(dataset: Dataset) -> tuple[PublishedFile, ...]:
    """The files of a data set: those declared, or those its publisher lists now.

    Raises DownloadFailed where the list cannot be had, InputError where it is not understood.
    """
    if dataset.listing is None:
        return dataset.files
    try:
        with opened(dataset.listing, {"Accept": "application/json"}) as answer:
            text = answer.read(MAX_BYTES + 1)
    except (OSError, HTTPException) as error:
        raise DownloadFailed(
            f"{dataset.id}: the publisher's list {dataset.listing} failed ({error}); download the "
            f"files by hand from {dataset.homepage} and import their folder"
        ) from error
    return parse(text, dataset)


def parse(text: bytes, dataset: Dataset) -> tuple[PublishedFile, ...]:
    """The wanted files in a publisher's list. Raises InputError where it is not understood."""
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        listed = msgspec.json.decode(text, type=_Listing).files
        if len(listed) > MAX_FILES:
            raise ValueError(f"it names {len(listed)} files")
        wanted = re.compile(dataset.wanted or ".+")
        found = [
            PublishedFile(
                one.filename,
                one.content_details.download_url,
                one.content_details.sha256_hash.lower(),
                one.content_details.size,
            )
            for one in listed
            if wanted.fullmatch(one.filename)
        ]
    except ValueError as error:  # DecodeError and InputError are ValueErrors
        raise InputError(
            "listing",
            dataset.listing,
            f"is not understood: {error}",
            f"download by hand from {dataset.homepage} and import the folder",
            reason="bad_listing",
        ) from error
    return tuple(sorted(_apart(found), key=lambda one: one.name))


def _apart(files: list[PublishedFile]) -> list[PublishedFile]:
    """Files of one name in several folders of the publisher: told apart by their checksums."""
    times = Counter(one.name for one in {(f.name, f.sha256): f for f in files}.values())
    kept = {}
    for one in files:
        name = f"{str(one.sha256)[:8]} {one.name}" if times[one.name] > 1 else one.name
        kept[name] = replace(one, name=name)
    return list(kept.values())
