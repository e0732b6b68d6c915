"""The registry: immutable versions, moving aliases, whole whatever happens."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evitals.errors import EvitalsError, InputError, RefusedBundle, RegistryError, UnknownModel
from evitals.models import disk, registry, signing
from evitals.models.bundle import Bundle, read
from evitals.models.registry import CHALLENGER, Entry, Registry
from evitals.models.signing import Trust

from .bundles import made

ID = "made-up"
ONE, TWO, THREE = (made(version=f"{n}.0.0", seed=n) for n in (1, 2, 3))


@pytest.fixture
def kept(tmp_path: Path) -> Registry:
    """A registry with versions 1, 2 and 3, where 1 was champion before 2."""
    found = Registry(tmp_path / "models")
    for data in (ONE, TWO, THREE):
        found.add(data)
    found.promote(ID, "1.0.0")
    found.promote(ID, "2.0.0")
    return found


def champion(found: Registry) -> str:
    return found.load(ID).manifest.version


def test_an_empty_registry_makes_nothing(tmp_path: Path) -> None:
    empty = Registry(tmp_path / "models")
    assert [e for e in empty.entries() if not e.builtin] == []
    with pytest.raises(UnknownModel, match="evitals models list"):
        empty.load(ID)
    assert not (tmp_path / "models").exists()


def test_its_life(tmp_path: Path) -> None:
    found = Registry(tmp_path / "models")
    assert found.add(ONE).name == "made-up 1.0.0"
    found.add(TWO)
    with pytest.raises(RegistryError, match="no champion; promote"):
        found.load(ID)
    found.promote(ID, "1.0.0")
    assert champion(found) == "1.0.0"
    found.promote(ID, "2.0.0", CHALLENGER)
    assert champion(found) == "1.0.0"
    assert found.load(ID, CHALLENGER).manifest.version == "2.0.0"
    now = found.promote(ID)
    assert champion(found) == "2.0.0"
    assert now.challenger is None
    assert [ref.version for ref in now.previous] == ["1.0.0"]
    assert found.promote(ID, "2.0.0") == now, "nothing to change"
    back = found.rollback(ID)
    assert champion(found) == "1.0.0"
    assert back.serial == now.serial + 1
    with pytest.raises(RegistryError, match="no former champion"):
        found.rollback(ID)
    assert found.load(ID, "2.0.0").data == TWO


def test_versions_are_in_the_order_of_their_numbers(kept: Registry) -> None:
    kept.add(made(version="10.0.0"))
    assert kept.versions(ID) == ["1.0.0", "2.0.0", "3.0.0", "10.0.0"]
    assert kept.entries()[1] == Entry(ID, "2.0.0", ("champion",), False)


def test_a_version_never_changes(kept: Registry) -> None:
    kept.add(ONE)  # The same once more: nothing.
    other = made(version="1.0.0", seed=7)
    with pytest.raises(InputError, match="another content") as refused:
        kept.add(other)
    assert refused.value.reason == "version_taken"
    assert kept.load(ID, "1.0.0").data == ONE
    path = kept.folder / ID / "1.0.0.evb"
    assert path.stat().st_mode & 0o222 == 0


def test_what_does_not_prove_itself_is_not_switched_to(kept: Registry) -> None:
    def refuse(found: Bundle) -> None:
        raise RefusedBundle("golden vectors", "row 3", "is not it", "do not", reason="x")

    changes: tuple[Callable[[], object], ...] = (
        lambda: kept.promote(ID, "3.0.0", warm=refuse),
        lambda: kept.rollback(ID, warm=refuse),
    )
    for change in changes:
        before = kept.aliases(ID)
        with pytest.raises(RefusedBundle):
            change()
        assert kept.aliases(ID) == before


def test_a_file_changed_on_disk_is_not_loaded(kept: Registry) -> None:
    path = kept.folder / ID / "2.0.0.evb"
    path.chmod(0o644)
    path.write_bytes(TWO[:-100])
    with pytest.raises(RefusedBundle):
        kept.load(ID)
    path.write_bytes(made(version="2.0.0", seed=9))  # Whole, but not what was promoted.
    with pytest.raises(RegistryError, match="not what was put there"):
        kept.load(ID)
    path.write_bytes(THREE)  # Whole, but another version.
    with pytest.raises(RegistryError, match="not what was put there"):
        kept.load(ID, "2.0.0")
    kept.rollback(ID)
    assert champion(kept) == "1.0.0"


def test_what_is_needed_cannot_be_removed(kept: Registry) -> None:
    with pytest.raises(RegistryError, match=r"2\.0\.0 is champion"):
        kept.remove(ID, "2.0.0")
    with pytest.raises(RegistryError, match="roll back"):
        kept.remove(ID, "1.0.0")
    kept.promote(ID, "3.0.0", CHALLENGER)
    kept.remove(ID, "3.0.0")
    assert kept.versions(ID) == ["1.0.0", "2.0.0"]
    assert kept.aliases(ID).challenger is None
    with pytest.raises(UnknownModel):
        kept.remove(ID, "3.0.0")


@pytest.mark.parametrize("name", ["../up", "/etc", "", "a/b", "A", ".", "a\0b"])
def test_names_that_lead_elsewhere(kept: Registry, name: str) -> None:
    for ask in (lambda: kept.load(name), lambda: kept.load(ID, name or "x"),
                lambda: kept.remove(name, "1.0.0"), lambda: kept.remove(ID, name)):  # fmt: skip
        with pytest.raises(UnknownModel):
            ask()


def test_signatures_where_they_are_required(kept: Registry, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="pip install cryptography")
    trusting = Registry(kept.folder, Trust.of(signing.generate(tmp_path / "key")))
    with pytest.raises(RefusedBundle, match="a signature is required"):
        trusting.load(ID)
    with pytest.raises(RefusedBundle):
        trusting.add(made(version="4.0.0"))


def test_strange_files_are_passed_over(kept: Registry) -> None:
    (kept.folder / "README.txt").write_text("hello")
    (kept.folder / ID / "notes.evb").write_text("hello")
    (kept.folder / "UPPER").mkdir()
    (kept.folder / "UPPER" / "1.0.0.evb").write_bytes(ONE)
    (kept.folder / "empty").mkdir()
    assert kept.versions(ID) == ["1.0.0", "2.0.0", "3.0.0"]
    assert ID in kept.ids()
    assert not {"UPPER", "empty"} & set(kept.ids())


def test_broken_aliases_say_so(kept: Registry) -> None:
    (kept.folder / ID / "aliases.json").write_text("{")
    with pytest.raises(RegistryError, match="restore it"):
        kept.load(ID)
    assert kept.load(ID, "1.0.0").data == ONE


def test_what_ships_with_evitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "made-up-1.0.0.evb").write_bytes(ONE)
    monkeypatch.setattr(registry, "PRETRAINED", shipped)
    found = Registry(tmp_path / "models")
    assert found.entries() == [Entry(ID, "1.0.0", ("champion",), True)]
    assert champion(found) == "1.0.0"
    with pytest.raises(RegistryError, match="ships with evitals"):
        found.remove(ID, "1.0.0")
    found.add(TWO)
    found.promote(ID, "2.0.0")
    assert champion(found) == "2.0.0"
    found.rollback(ID)
    assert champion(found) == "1.0.0"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="EVITALS_MODELS"):
        Registry(tmp_path / "file").add(ONE)


def test_one_writer_at_a_time(kept: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with disk.locked(kept.folder):
        assert champion(kept) == "2.0.0", "readers need no lock"
        with pytest.raises(RegistryError, match="another process"), disk.locked(kept.folder, 0.05):
            pass


CHANGES: dict[str, Callable[[Registry], object]] = {
    "add": lambda r: r.add(made(version="4.0.0", seed=4)),
    "promote": lambda r: r.promote(ID, "3.0.0"),
    "challenger": lambda r: r.promote(ID, "3.0.0", CHALLENGER),
    "rollback": lambda r: r.rollback(ID),
    "remove": lambda r: r.remove(ID, "3.0.0"),
}


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("change", CHANGES)
def test_death_at_any_call_to_the_disk_leaves_it_whole(
    kept: Registry, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each call in turn the process dies; then all is as before or as after."""
    before = (kept.aliases(ID), kept.versions(ID))
    outcomes, at = [], 0
    while True:
        with monkeypatch.context() as patch:
            _die_before(patch, at)
            try:
                CHANGES[change](kept)
            except Died:
                died = True
            else:
                died = False
        state = (kept.aliases(ID), kept.versions(ID))
        for version in state[1]:
            kept.load(ID, version)
        kept.load(ID)
        outcomes.append(state == before)
        if not died:
            break
        at += 1
        if state != before:
            # It died after the change was made: nothing more may happen.
            assert [e.version for e in kept.entries() if "champion" in e.aliases]
            break
    assert outcomes[0]
    assert not outcomes[-1]
    assert at >= 1
    with disk.locked(kept.folder):
        assert not list(kept.folder.rglob(f"{disk.PART}*"))


def _die_before(patch: pytest.MonkeyPatch, at: int) -> None:
    """Raise Died before the call number ``at`` of those that change the disk."""
    calls = 0

    def watched(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: object, **kwargs: object) -> object:
            nonlocal calls
            if calls == at:
                raise Died
            calls += 1
            return real(*args, **kwargs)

        patch.setattr(owner, name, call)

    for owner, name in ((os, "fsync"), (Path, "rename"), (Path, "unlink"), (os, "open")):
        watched(owner, name)


WRITER = """
import sys
from pathlib import Path
from evitals.models.registry import Registry
folder, *files = sys.argv[1:]
registry = Registry(Path(folder))
print("ready", flush=True)
while True:
    for file in files:
        bundle = registry.add(Path(file).read_bytes())
        registry.promote("made-up", bundle.manifest.version)
    registry.rollback("made-up")
"""


def test_kill_9_leaves_it_whole(kept: Registry, tmp_path: Path) -> None:
    files = []
    for version in range(4, 8):
        files.append(tmp_path / f"{version}.evb")
        files[-1].write_bytes(made(version=f"{version}.0.0", seed=version))
    for pause in (0.02, 0.05, 0.11, 0.17):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(kept.folder), *map(str, files)],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for there in kept.versions(ID):
            kept.load(ID, there)
        kept.load(ID)
    kept.promote(ID, "3.0.0")
    assert champion(kept) == "3.0.0"


SWITCHER = """
import sys
from pathlib import Path
from evitals.errors import EvitalsError
from evitals.models.registry import Registry
registry = Registry(Path(sys.argv[1]))
for file in sys.argv[2:]:
    bundle = registry.add(Path(file).read_bytes())
    registry.promote("made-up", bundle.manifest.version)
    for old in registry.versions("made-up"):
        try:
            registry.remove("made-up", old)
        except EvitalsError:
            continue
"""


def test_a_reader_beside_a_process_that_promotes_and_removes(
    kept: Registry, tmp_path: Path
) -> None:
    files = []
    for k in range(25):
        files.append(tmp_path / f"{k}.evb")
        files[-1].write_bytes(made(version=f"{20 + k}.0.0", seed=k % 3))
    writer = subprocess.Popen([sys.executable, "-c", SWITCHER, str(kept.folder), *map(str, files)])
    seen = set()
    while writer.poll() is None:
        seen.add(champion(kept))
    assert writer.returncode == 0
    assert len(seen) > 2
    assert len(kept.versions(ID)) == 2, "the champion and the one to roll back to"


def test_writers_take_turns(kept: Registry) -> None:
    """Eight threads promote; every change counts once and none is lost."""
    before = kept.aliases(ID).serial
    problems = []

    def promote(k: int) -> None:
        try:
            kept.add(made(version=f"{30 + k}.0.0", seed=k % 3))
            kept.promote(ID, f"{30 + k}.0.0")
        except EvitalsError as error:
            problems.append(error)

    threads = [threading.Thread(target=promote, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    now = kept.aliases(ID)
    assert now.serial == before + 8
    assert len({ref.version for ref in now.previous}) == len(now.previous) == 2 + 7


def test_a_rollback_beside_a_promotion_is_refused_not_mixed(kept: Registry) -> None:
    with pytest.raises(RegistryError, match="changed meanwhile"):
        kept.rollback(ID, warm=lambda _: kept.promote(ID, "3.0.0"))
    assert champion(kept) == "3.0.0"


def test_read_gives_the_file(kept: Registry) -> None:
    assert kept.read(ID).digest == read(TWO).digest
