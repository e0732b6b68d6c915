"""The home folder and the intake: names, places, recovery."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as checking
from hypothesis import strategies as st

from evitals.battery import describe
from evitals.errors import StoreError
from evitals.fleet.open import open_store
from evitals.service.home import NAME_BYTES, REASON, Home, safe_name, shown_name
from evitals.service.intake import Intake
from evitals.service.pipeline import Pipeline
from evitals.service.vehicles import put_vehicle
from evitals.settings import Settings

from .made_up import csv, drive

ID = "bmw-i3-60ah"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    folder = tmp_path / "home"
    Home(folder).create()
    with closing(open_store(folder)) as store:
        yield Intake(Pipeline(store, Settings(home=folder)))


def claimed(home: Home, name: str, data: bytes) -> Path:
    path = home.incoming / name
    path.write_bytes(data)
    found = home.claim(path)
    assert found is not None
    return found


@checking(deadline=None)
@given(st.text(max_size=400))
def test_a_safe_name_is_one_plain_name(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert safe == Path(safe).name
    assert not safe.startswith(".")
    assert safe.isprintable()
    assert len(safe.encode()) <= NAME_BYTES
    assert safe_name(safe) == safe


@checking(deadline=None)
@given(st.binary(min_size=1, max_size=60))
def test_a_shown_name_is_text_that_json_takes(name: bytes) -> None:
    shown = shown_name(os.fsdecode(name))
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown


@checking(deadline=None)
@given(st.lists(st.sampled_from(["a.csv", "a.2.csv", "b", "b.2", "c.tar.gz"]), max_size=12))
def test_placing_keeps_every_file(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.create()
        for number, name in enumerate(names):
            place = (home.to_archive, lambda p: home.to_quarantine(p, {}))[number % 2]
            place(claimed(home, name, str(number).encode()))
        kept = [p for p in home.root.rglob("*") if p.is_file() and not p.name.endswith(REASON)]
        assert sorted(int(p.read_bytes()) for p in kept) == list(range(len(names)))
        for path in home.quarantine.iterdir():
            assert path.name.endswith(REASON) or path.with_name(path.name + REASON).exists()


def test_a_name_at_the_limit_can_be_placed_twice(home: Home) -> None:
    name = "é" * 120 + ".csv"
    for _ in range(3):
        home.to_quarantine(claimed(home, name, b"x"), {"reason": "x"})
    assert len(list(home.quarantine.iterdir())) == 6


def test_only_one_claim_gets_a_file(home: Home) -> None:
    path = home.incoming / "a.csv"
    path.write_bytes(b"x")
    assert home.claim(path) is not None
    assert home.claim(path) is None
    assert len(list(home.claimed.iterdir())) == 1


def test_ownership_ends_with_the_owner(home: Home) -> None:
    other = Home(home.root)
    home.own("evitals serve at http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"in use by evitals serve at http://127\.0\.0\.1:1"):
        other.own("evitals ingest")
    home.disown()
    other.own("evitals ingest")
    other.disown()


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="--home or EVITALS_HOME"):
        Home(tmp_path / "file").create()


def test_recovery_finds_what_was_claimed_and_sweeps_the_rest(home: Home) -> None:
    path = claimed(home, "a.csv", b"x")
    (home.claimed / "empty").mkdir()
    (home.claimed / "half").mkdir()
    (home.claimed / "half" / ".part").write_bytes(b"half")
    (home.quarantine / f"gone.csv{REASON}").write_text("{}")
    (home.held / f".{'0' * 32}").write_text("{")
    (home.held / ".gitkeep").write_text("")
    (home.quarantine / "folder").mkdir()
    (home.held / "without_reason.csv").write_bytes(b"y")
    found = home.recover()
    assert sorted(p.name for p in found) == ["a.csv", "without_reason.csv"]
    assert path in found
    assert {p.parent for p in home.claimed.rglob("*.csv")} == {p.parent for p in found}
    assert [p.name for p in home.quarantine.iterdir()] == ["folder"]
    assert [p.name for p in home.held.iterdir()] == [".gitkeep"]
    assert sorted(home.recover()) == sorted(found)


def test_a_held_file_keeps_what_was_said_with_it(home: Home) -> None:
    path = home.keep(b"x", "../a.csv")
    held = home.to_held(path, {"options": {"vehicle_id": "v", "start": None}})
    [(same, reason)] = home.held_files()
    assert same == held
    assert reason["options"] == {"vehicle_id": "v", "start": None}
    again = home.claim(held)
    assert again is not None
    assert home.options(again) == {"vehicle_id": "v"}
    assert home.held_files() == []
    home.to_archive(again)
    assert not list(home.claimed.iterdir())


def test_a_file_that_may_not_be_read_is_quarantined(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(intake.pipeline, "ingest_path", forbidden)
    [file] = intake.take(claimed(intake.home, "a.csv", b"x")).files
    assert (file.state, file.reason) == ("quarantined", "forbidden")
    assert (intake.home.quarantine / "a.csv").read_bytes() == b"x"


def test_release_takes_only_what_waited_for_that_vehicle(intake: Intake) -> None:
    home = intake.home
    for name, owner in (("a.csv", "one"), ("b.csv", "two"), ("one_c.csv", None), ("d.csv", None)):
        data = csv(drive(minutes=6, vehicle_id=owner, seed=len(name) + ord(name[0])))
        assert intake.take(claimed(home, name, data)).held
    assert intake.release("one")[0].held  # still nobody has described it
    vehicle = msgspec.structs.replace(describe(ID), vehicle_id="one")
    reports = put_vehicle(intake.pipeline.store, vehicle, intake.pipeline)
    assert sorted(r.files[0].name for r in reports) == ["a.csv", "one_c.csv"]
    assert sorted(p.name for p, _ in home.held_files()) == ["b.csv", "d.csv"]
    assert len(intake.pipeline.store.trips("one", "1")) == 2


def test_a_committed_file_that_was_not_moved_is_known(intake: Intake) -> None:
    data = csv(drive())
    intake.pipeline.ingest_bytes(data, "a.csv", vehicle_id=ID)
    report = intake.take(claimed(intake.home, f"{ID}_a.csv", data))
    assert report.files[0].state == "duplicate"
    assert len(list(intake.home.archive.glob("*/*"))) == 1
    assert len(intake.pipeline.store.trips(ID, "1")) == 1
    [record] = intake.pipeline.store.files()
    assert record.state == "stored"
