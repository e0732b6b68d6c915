"""Downloads against a publisher that breaks off, changes and lies."""

import hashlib
import random
from collections import namedtuple
from pathlib import Path

import pytest

from evitals.errors import InputError
from evitals.telemetry.datasets.dataset import PublishedFile
from evitals.telemetry.datasets.fetch import DownloadFailed, fetch
from evitals.telemetry.datasets.lock import NAME, read_lock
from tests.telemetry.datasets.conftest import Publisher

BODY = random.Random(1).randbytes(700_000)
SHA = hashlib.sha256(BODY).hexdigest()


def clean(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_whole_and_recorded(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = BODY
    seen: list[tuple[int, int | None]] = []
    file = PublishedFile("data.bin", publisher.address(), SHA, len(BODY))
    done = fetch(file, tmp_path, progress=lambda *now: seen.append(now))
    assert done.path.read_bytes() == BODY
    assert (done.locked.sha256, done.locked.trust, done.already) == (SHA, "publisher", False)
    assert seen[-1] == (len(BODY), len(BODY))
    assert [have for have, _ in seen] == sorted(have for have, _ in seen)
    assert clean(tmp_path) == ["data.bin", NAME]
    assert fetch(file, tmp_path).already
    assert len(publisher.asked) == 1


def test_resumed_after_breaks_in_one_run(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body, publisher.breaks = BODY, [100_000, 250_000]
    done = fetch(PublishedFile("data.bin", publisher.address(), SHA), tmp_path, pause_s=0.0)
    assert done.path.read_bytes() == BODY
    assert publisher.asked == [None, "bytes=100000-", "bytes=350000-"]


def test_resumed_by_a_later_run(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body, publisher.breaks = BODY, [123_456]
    file = PublishedFile("data.bin", publisher.address())
    with pytest.raises(DownloadFailed, match="123456 bytes are kept, run the command again"):
        fetch(file, tmp_path, attempts=1)
    assert not (tmp_path / "data.bin").exists()
    assert fetch(file, tmp_path).path.read_bytes() == BODY
    assert publisher.asked == [None, "bytes=123456-"]


def test_begins_again_where_the_file_changed_meanwhile(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.body, publisher.breaks = BODY, [5000]
    file = PublishedFile("data.bin", publisher.address())
    with pytest.raises(DownloadFailed):
        fetch(file, tmp_path, attempts=1)
    publisher.body, publisher.tag = b"new" * 1000, '"v2"'
    assert fetch(file, tmp_path).path.read_bytes() == b"new" * 1000


def test_without_ranges_the_whole_comes_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body, publisher.breaks, publisher.ranges = BODY, [5000], False
    file = PublishedFile("data.bin", publisher.address(), SHA)
    assert fetch(file, tmp_path, pause_s=0.0).path.read_bytes() == BODY


def test_a_part_that_was_complete_is_taken(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = BODY
    (tmp_path / "data.bin.part").write_bytes(BODY)
    note = '{"url": "' + publisher.address() + '", "validator": "\\"v1\\""}'
    (tmp_path / "data.bin.part.json").write_text(note)
    assert fetch(PublishedFile("data.bin", publisher.address(), SHA), tmp_path).path.is_file()
    assert publisher.asked == [f"bytes={len(BODY)}-"]


def test_a_part_of_another_address_is_dropped(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = BODY
    (tmp_path / "data.bin.part").write_bytes(b"something else")
    (tmp_path / "data.bin.part.json").write_text('{"url": "https://elsewhere.example/x"}')
    done = fetch(PublishedFile("data.bin", publisher.address(), SHA), tmp_path)
    assert done.path.read_bytes() == BODY
    assert publisher.asked == [None]


def test_trust_on_first_use_then_no_other(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = BODY
    file = PublishedFile("data.bin", publisher.address())
    assert fetch(file, tmp_path).locked.trust == "first use"
    assert read_lock(tmp_path)["data.bin"].sha256 == SHA
    (tmp_path / "data.bin").unlink()
    publisher.body, publisher.tag = BODY[::-1], '"v2"'
    with pytest.raises(InputError, match="is not that of its first download") as caught:
        fetch(file, tmp_path)
    assert caught.value.reason == "wrong_checksum"
    assert clean(tmp_path) == ["data.bin.part.json", NAME]


def test_a_wrong_checksum_of_the_publisher_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = BODY[:-1] + b"x"
    with pytest.raises(InputError, match="is not its publisher's checksum"):
        fetch(PublishedFile("data.bin", publisher.address(), SHA), tmp_path)
    assert not (tmp_path / "data.bin").exists()
    assert read_lock(tmp_path) == {}


def test_a_file_damaged_on_disk_comes_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = BODY
    file = PublishedFile("data.bin", publisher.address())
    fetch(file, tmp_path)
    (tmp_path / "data.bin").write_bytes(b"rotten")
    assert not fetch(file, tmp_path).already
    assert (tmp_path / "data.bin").read_bytes() == BODY


@pytest.mark.parametrize("length", [True, False])
def test_sizes_are_bounded(publisher: Publisher, tmp_path: Path, length: bool) -> None:
    publisher.body, publisher.length = BODY, length
    with pytest.raises(InputError, match="are more than the 1000 that are taken"):
        fetch(PublishedFile("data.bin", publisher.address()), tmp_path, max_bytes=1000)
    with pytest.raises(InputError, match="more than the 500 that"):
        fetch(PublishedFile("other.bin", publisher.address(), size=500), tmp_path)
    held = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert held < 10_000


def test_a_full_disk_is_seen_before_the_download(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.body = BODY
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1, 1, 1000))
    with pytest.raises(InputError, match="do not fit: 1000 bytes are free"):
        fetch(PublishedFile("data.bin", publisher.address()), tmp_path)


def test_passing_errors_are_tried_again_and_lasting_ones_not(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.body, publisher.statuses = BODY, [503, 404]
    file = PublishedFile("data.bin", publisher.address(), SHA)
    assert fetch(file, tmp_path, pause_s=0.0).path.is_file()
    publisher.statuses = [403, 403]
    with pytest.raises(DownloadFailed, match="403"):
        fetch(PublishedFile("other.bin", publisher.address()), tmp_path, pause_s=0.0)
    assert publisher.statuses == [403]


def test_nobody_there(tmp_path: Path) -> None:
    file = PublishedFile("data.bin", "http://127.0.0.1:9/data.bin")
    with pytest.raises(DownloadFailed, match="nothing came"):
        fetch(file, tmp_path, attempts=2, pause_s=0.0)


@pytest.mark.parametrize("url", ["http://example.org/x", "file:///etc/passwd", "ftp://a/b", "x"])
def test_only_https(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="is not an https address"):
        fetch(PublishedFile("data.bin", url), tmp_path)


def test_no_redirection_to_less(publisher: Publisher, tmp_path: Path) -> None:
    publisher.location = "file:///etc/passwd"
    with pytest.raises((InputError, DownloadFailed)):
        fetch(PublishedFile("data.bin", publisher.address()), tmp_path, attempts=1)
    publisher.location = "http://example.org/data.bin"
    with pytest.raises(InputError, match="is not an https address"):
        fetch(PublishedFile("data.bin", publisher.address()), tmp_path, attempts=1)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\\b", "a\x00", "x" * 300])
def test_names_stay_in_their_folder(name: str) -> None:
    with pytest.raises(InputError, match="no plain file name"):
        PublishedFile(name, "https://example.org/x")


def test_a_damaged_lock_is_no_reason_to_trust_anew(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{broken")
    with pytest.raises(InputError, match="deleting it means trusting the next download"):
        fetch(PublishedFile("data.bin", publisher.address()), tmp_path)
