"""The archive: one way to write it, everything else refused with its reason."""

import io
import struct
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evitals.errors import RefusedBundle
from evitals.models import archive

from .bundles import zipped

FILES = {"manifest.json": b"{}", "a/b.bin": bytes(range(256)), "empty": b""}
GOOD = archive.pack(FILES)


def reason(data: bytes) -> str:
    with pytest.raises(RefusedBundle) as refused:
        archive.unpack(data)
    return refused.value.reason


def test_what_is_packed_comes_back_and_any_zip_tool_reads_it() -> None:
    assert archive.unpack(GOOD) == FILES
    with zipfile.ZipFile(io.BytesIO(GOOD)) as file:
        assert file.testzip() is None
        assert file.namelist() == ["manifest.json", "a/b.bin", "empty"]
        assert {i.date_time for i in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_equal_files_are_equal_bytes_whatever_their_order() -> None:
    assert archive.pack(dict(reversed(FILES.items()))) == GOOD


@given(at=st.integers(0, len(GOOD) - 1), flip=st.integers(1, 255))
@settings(max_examples=300)
def test_one_changed_byte_is_refused_or_changes_a_file(at: int, flip: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= flip
    try:
        files = archive.unpack(bytes(changed))
    except RefusedBundle:
        return
    assert files.keys() != FILES.keys(), "a name may change; its file is then another"


@given(size=st.integers(0, len(GOOD) - 1))
def test_cut_short(size: int) -> None:
    assert reason(GOOD[:size]) in ("truncated", "not_a_bundle")


@given(st.binary(max_size=300))
def test_noise(noise: bytes) -> None:
    assert reason(noise) in ("not_a_bundle", "truncated")
    assert reason(b"PK\3\4" + noise) in ("truncated", "not_canonical")


@pytest.mark.parametrize(
    "name", ["../a", "/etc/passwd", "a/../b", "a\\b", "C:/a", ".hidden", "a//b", "a/", "ä", "a b",
             "a/b/c/d/e", "x" * 101, "a\nb"],
)  # fmt: skip
def test_names_that_lead_elsewhere(name: str) -> None:
    assert reason(zipped([(name, b"x")])) == "unsafe_name"
    with pytest.raises(RefusedBundle):
        archive.pack({name: b"x"})


def test_a_name_with_a_nul_is_not_cut_at_it() -> None:
    data = archive.pack({"abc": b"x"}).replace(b"abc", b"a\0c")
    assert reason(data) == "unsafe_name"


def test_one_name_twice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = zipped([("a", b"1"), ("a", b"2")])
    assert reason(data) == "duplicate"


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = zipped([("a", bytes(50_000_000))], compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert reason(bomb) == "compressed"
    many = zipped([(f"a{k}", bytes(10_000_000)) for k in range(8)], compression=zipfile.ZIP_LZMA)
    assert reason(many) == "oversized"


def test_sizes_that_lie() -> None:
    data = bytearray(archive.pack({"abc": b"xyz"}))
    at = data.index(b"PK\1\2") + 20
    struct.pack_into("<2I", data, at, 2**31, 2**31)
    assert reason(bytes(data)) == "oversized"


def test_too_many_and_too_large() -> None:
    assert reason(zipped([(f"a{k}", b"") for k in range(archive.MOST_FILES + 1)])) == "oversized"
    assert reason(bytes(archive.MOST_BYTES + 1)) == "oversized"
    with pytest.raises(RefusedBundle, match="more than"):
        archive.pack({f"a{k}": b"" for k in range(archive.MOST_FILES + 1)})


@pytest.mark.parametrize(
    "data",
    [
        zipped([("manifest.json", b"{}")]),
        b"PK\3\4" + GOOD,
        GOOD + b"hidden",
        GOOD[:-2] + b"\x04\0note",
    ],
    ids=["another writer", "something before", "something after", "comment"],
)
def test_a_zip_that_evitals_did_not_write(data: bytes) -> None:
    assert reason(data) in ("not_canonical", "truncated")
