"""The registry: models on disk, each version once and for ever, and aliases that move.

```
FOLDER/ID/VERSION.evb     a bundle; written once, never changed
FOLDER/ID/aliases.json    which version is champion, which challenger, which were champion before
FOLDER/.lock              held by whoever changes something
```

Champion is what serves; challenger is what is tried beside it. Aliases are no stages: a version
knows nothing of them. Readers take no lock: every file appears or changes at once, so a process
that dies leaves the registry as it was before or after. The bundles that ship with evitals are seen
too, under those of the same id in the folder.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from evitals.errors import InputError, RegistryError, UnknownModel
from evitals.estimators.program.interpreter import Interpreter
from evitals.models import bundle as bundles
from evitals.models import disk
from evitals.models.bundle import SUFFIX, Bundle
from evitals.models.golden import check
from evitals.models.manifest import ModelId, Sha256, Version
from evitals.models.signing import ANYONE, Trust

Alias = Literal["champion", "challenger"]
CHAMPION: Alias = "champion"
CHALLENGER: Alias = "challenger"
ALIASES = "aliases.json"
KEPT = 20
"""How many former champions are remembered."""
PRETRAINED = Path(__file__).parent / "pretrained"
"""Bundles that ship with evitals, ID-VERSION.evb."""
_TRIES = 5


class Ref(Struct, frozen=True, forbid_unknown_fields=True):
    """A version an alias stands for, the digest it must have, and since when."""

    version: Version
    digest: Sha256
    since: datetime


class Aliases(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the aliases of one model stand for; ``serial`` counts the changes."""

    serial: int = 0
    champion: Ref | None = None
    challenger: Ref | None = None
    previous: tuple[Ref, ...] = ()
    """Former champions, the last one last: where ``rollback`` goes."""


class Entry(Struct, frozen=True):
    """A version as ``list`` shows it."""

    id: str
    version: str
    aliases: tuple[str, ...]
    builtin: bool


class Registry:
    """The models in ``folder``, whose bundles must be as ``trust`` says. Makes nothing until asked.

    Raises RegistryError where the disk refuses, RefusedBundle for bundles that must not be used,
    UnknownModel for what is not there.
    """

    def __init__(self, folder: Path, trust: Trust = ANYONE) -> None:
        self.folder = folder
        self.trust = trust

    def entries(self) -> list[Entry]:
        """Every version of every model, by id and version."""
        return [entry for model in self.ids() for entry in self._of(model)]

    def ids(self) -> list[str]:
        """Models that have a version."""
        with disk.refusing(self.folder):
            mine = {path.parent.name for path in self.folder.glob(f"*/*{SUFFIX}")}
        mine = {model for model in mine if _is(model, ModelId) and self.versions(model)}
        return sorted(mine | {model for model, _ in pretrained()})

    def versions(self, model: str) -> list[str]:
        """A model's versions, oldest number first; empty where there is none."""
        with disk.refusing(self.folder):
            names = [path.stem for path in self._home(model).glob(f"*{SUFFIX}")]
        mine = {name for name in names if _is(name, Version)}
        return sorted(mine | {v for m, v in pretrained() if m == model}, key=_order)

    def aliases(self, model: str) -> Aliases:
        """What the aliases stand for. A model nobody promoted has the shipped one as champion."""
        path = self._home(model) / ALIASES
        try:
            said = msgspec.json.decode(path.read_bytes(), type=Aliases)
        except FileNotFoundError:
            return self._shipped(model)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
            raise RegistryError(
                f"models: {path} cannot be read ({error}); restore it from a backup, or remove it "
                "and promote again"
            ) from error
        return said

    def load(self, model: str, which: str = CHAMPION) -> Bundle:
        """A model by alias or version: read, verified, its golden vectors reproduced.

        Safe beside a process that promotes and removes.
        """
        bundle = self.read(model, which)
        check(bundle.golden, Interpreter(bundle.program))
        return bundle

    def read(self, model: str, which: str = CHAMPION) -> Bundle:
        """As ``load``, but nothing is run."""
        for attempt in range(_TRIES):
            version, digest = self._find(model, which)
            path = self._path(model, version)
            try:
                data = bundles.read_file(path)
            except InputError:
                # Between alias and file another process may have promoted and removed.
                if attempt + 1 < _TRIES and self._find(model, which)[0] != version:
                    continue
                raise
            return self._checked(data, path, model, version, digest)
        raise AssertionError  # pragma: no cover

    def add(self, data: bytes) -> Bundle:
        """Bring a bundle in. The same once more changes nothing.

        Raises InputError (version_taken) where other bytes have its id and version.
        """
        bundle = bundles.load(data, self.trust)
        model, version = bundle.manifest.id, bundle.manifest.version
        with disk.locked(self.folder), disk.refusing(self.folder):
            path = self._path(model, version)
            if not path.exists():
                disk.write_new(path, data)
            elif path.read_bytes() != data:
                raise InputError(
                    "version", f"{model} {version}", "is in the registry with another content",
                    "give the new one a new version: versions never change",
                    reason="version_taken",
                )  # fmt: skip
        return bundle

    def promote(
        self,
        model: str,
        version: str | None = None,
        alias: Alias = CHAMPION,
        *,
        warm: Callable[[Bundle], object] | None = None,
    ) -> Aliases:
        """Let ``alias`` stand for ``version`` (by default the challenger's) once it proved itself.

        It is loaded, verified and its golden vectors reproduced; ``warm`` may run it as it will
        serve and raise. Only then the alias is switched, at once; a former champion is kept for
        ``rollback``. A challenger that becomes champion is challenger no more.
        """
        bundle = self.load(model, version or CHALLENGER)
        if warm is not None:
            warm(bundle)
        ref = Ref(bundle.manifest.version, bundle.digest, datetime.now(UTC))
        with disk.locked(self.folder):
            if bundles.read_file(self._path(model, ref.version)) != bundle.data:
                raise RegistryError(f"models: {bundle.name} was changed meanwhile; try again")
            now = self.aliases(model)
            if alias == CHALLENGER:
                return self._write(model, now, challenger=ref)
            if now.champion is not None and now.champion.digest == ref.digest:
                return now
            same = now.challenger is not None and now.challenger.digest == ref.digest
            return self._write(
                model,
                now,
                champion=ref,
                challenger=None if same else now.challenger,
                previous=(*now.previous, *filter(None, [now.champion]))[-KEPT:],
            )

    def rollback(self, model: str, *, warm: Callable[[Bundle], object] | None = None) -> Aliases:
        """Make the former champion champion again, once it proved itself again.

        Raises RegistryError where there is none, or another process promoted meanwhile.
        """
        before = self.aliases(model)
        if not before.previous:
            raise RegistryError(
                f"models: {model} has no former champion; promote a version: "
                f"{', '.join(self.versions(model)) or 'none is there'}"
            )
        last = before.previous[-1]
        bundle = self.load(model, last.version)
        if bundle.digest != last.digest:
            raise RegistryError(f"models: {model} {last.version} is not the one that served before")
        if warm is not None:
            warm(bundle)
        with disk.locked(self.folder):
            if self.aliases(model) != before:
                raise RegistryError(f"models: {model} was changed meanwhile; look, and try again")
            ref = Ref(last.version, last.digest, datetime.now(UTC))
            return self._write(model, before, champion=ref, previous=before.previous[:-1])

    def remove(self, model: str, version: str) -> None:
        """Delete a version. Refuses the champion and the one to roll back to."""
        with disk.locked(self.folder), disk.refusing(self.folder):
            path = self._home(model) / f"{version}{SUFFIX}"
            if version not in self.versions(model):
                raise UnknownModel(f"{model} {version}", self.versions(model))
            if not path.exists():
                raise RegistryError(f"models: {model} {version} ships with evitals and stays")
            now = self.aliases(model)
            last = now.previous[-1] if now.previous else None
            for role, ref in (("champion", now.champion), ("the one to roll back to", last)):
                if ref is not None and ref.version == version:
                    raise RegistryError(
                        f"models: {model} {version} is {role}; promote another one first"
                    )
            tried = now.challenger is not None and now.challenger.version == version
            self._write(
                model,
                now,
                challenger=None if tried else now.challenger,
                previous=tuple(ref for ref in now.previous if ref.version != version),
            )
            disk.remove(path)

    def _of(self, model: str) -> list[Entry]:
        now = self.aliases(model)
        roles = {"champion": now.champion, "challenger": now.challenger}
        return [
            Entry(
                model,
                version,
                tuple(r for r, ref in roles.items() if ref is not None and ref.version == version),
                not (self._home(model) / f"{version}{SUFFIX}").exists(),
            )
            for version in self.versions(model)
        ]

    def _shipped(self, model: str) -> Aliases:
        shipped = sorted((v for m, v in pretrained() if m == model), key=_order)
        if not shipped:
            return Aliases()
        found = bundles.read(pretrained()[model, shipped[-1]].read_bytes())
        return Aliases(champion=Ref(shipped[-1], found.digest, datetime.fromtimestamp(0, UTC)))

    def _find(self, model: str, which: str) -> tuple[str, str | None]:
        """Version, and the digest it must have where an alias says so."""
        if which not in (CHAMPION, CHALLENGER):
            if which not in self.versions(model):
                raise UnknownModel(f"{model} {which}", self.versions(model) or self.ids())
            return which, None
        ref: Ref | None = getattr(self.aliases(model), which)
        if ref is None:
            if self.versions(model):
                raise RegistryError(
                    f"models: {model} has no {which}; promote a version: "
                    f"{', '.join(self.versions(model))}"
                )
            raise UnknownModel(model, self.ids())
        return ref.version, ref.digest

    def _checked(
        self, data: bytes, path: Path, model: str, version: str, digest: str | None
    ) -> Bundle:
        mine = path.parent != PRETRAINED
        bundle = bundles.read(data, self.trust if mine else ANYONE)
        said = bundle.manifest
        if (said.id, said.version, digest or bundle.digest) != (model, version, bundle.digest):
            raise RegistryError(
                f"models: {path} is {bundle.name} {bundle.digest[:12]}, not what was put there; "
                "restore it from a backup, or remove it and roll back"
            )
        return bundle

    def _write(self, model: str, now: Aliases, **changes: object) -> Aliases:
        changed = msgspec.structs.replace(now, serial=now.serial + 1, **changes)
        if msgspec.structs.replace(changed, serial=now.serial) == now:
            return now
        with disk.refusing(self.folder):
            text = msgspec.json.format(msgspec.json.encode(changed), indent=1)
            disk.replace(self._home(model) / ALIASES, text)
        return changed

    def _home(self, model: str) -> Path:
        """The folder of a model. Raises UnknownModel for a name that could lead elsewhere."""
        if not _is(model, ModelId):
            raise UnknownModel(model, [])
        return self.folder / model

    def _path(self, model: str, version: str) -> Path:
        """Where a version lies; that of the folder before the shipped one."""
        mine = self._home(model) / f"{version}{SUFFIX}"
        return mine if mine.exists() else pretrained().get((model, version), mine)


def pretrained() -> dict[tuple[str, str], Path]:
    """The bundles that ship with evitals, by id and version."""
    found = {}
    for path in sorted(PRETRAINED.glob(f"*{SUFFIX}")):
        model, _, version = path.stem.rpartition("-")
        found[model, version] = path
    return found


def _is(name: str, kind: object) -> bool:
    try:
        msgspec.convert(name, kind)
    except msgspec.ValidationError:
        return False
    return True


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
