"""What is declared of every public set, and the publishers' lists."""

import json

import pytest

from evitals.errors import InputError
from evitals.telemetry.datasets import catalogue, dataset
from evitals.telemetry.datasets.fetch import DownloadFailed
from evitals.telemetry.datasets.listing import parse, published
from evitals.telemetry.sources import SOURCES
from tests.telemetry.datasets.conftest import Publisher

SHA = "a" * 64


def listed(name: str, sha: str = SHA, size: int = 5) -> dict[str, object]:
    url = f"https://data.example/{name}"
    return {
        "filename": name,
        "content_details": {"download_url": url, "sha256_hash": sha, "size": size},
    }


@pytest.mark.parametrize("one", catalogue().values(), ids=list(catalogue()))
def test_declared_whole(one: object) -> None:
    found = dataset(getattr(one, "id", ""))
    assert found.citation
    assert "understood to be" in found.licence or "no licence" in found.licence
    assert found.homepage.startswith("https://")
    assert found.doi is None or found.doi in found.citation
    assert bool(found.files) != bool(found.listing)
    for reading in found.readings:
        assert reading.sampling
        assert reading.source == "nasa_mat" or SOURCES.get(reading.source).level == "cell"
    for file in found.files:  # none of these publishers gives a checksum: none is invented
        assert file.sha256 is None


def test_unknown_sets_are_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean calce_cs2"):
        dataset("calce")


def test_a_publishers_list_gives_sizes_and_checksums() -> None:
    text = json.dumps(
        {"files": [listed("551_UDDS.mat"), listed("readme.txt"), listed("551_UDDS.csv", "B" * 64)]}
    )
    files = parse(text.encode(), dataset("lg_18650hg2"))
    assert [(f.name, f.sha256, f.size) for f in files] == [
        ("551_UDDS.csv", "b" * 64, 5),
        ("551_UDDS.mat", SHA, 5),
    ]


def test_one_name_in_two_folders_is_told_apart() -> None:
    both = [listed("Pause1.mat"), listed("Pause1.mat", "c" * 64), listed("NN.mat"),
            listed("NN.mat")]  # fmt: skip
    files = parse(json.dumps({"files": both}).encode(), dataset("panasonic_18650pf"))
    assert [f.name for f in files] == ["NN.mat", "aaaaaaaa Pause1.mat", "cccccccc Pause1.mat"]


@pytest.mark.parametrize(
    "text",
    [b"<html>", b"{}", b'{"files": [{"filename": "1"}]}',
     json.dumps({"files": [listed("551_UDDS.mat", "no digest")]}).encode(),
     json.dumps({"files": [listed("x.mat")] * 5001}).encode(), b" " * (17 * 2**20)],
)  # fmt: skip
def test_a_list_that_is_not_understood_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="is not understood"):
        parse(text, dataset("lg_18650hg2"))


def test_a_list_is_asked_of_the_publisher(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    publisher.body = json.dumps({"files": [listed("551_UDDS.mat")]}).encode()
    here = replace(dataset("lg_18650hg2"), listing=publisher.address("listing"))
    assert [f.name for f in published(here)] == ["551_UDDS.mat"]
    publisher.statuses = [500]
    with pytest.raises(DownloadFailed, match=r"by hand from https://data\.mendeley"):
        published(here)
    assert published(dataset("nasa_pcoe")) == dataset("nasa_pcoe").files
