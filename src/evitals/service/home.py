"""The home folder: where files come in, wait, and end; one process at a time owns it.

```
home/incoming/     drop files here
home/.claimed/     being read now; taken up again when a process died over them
home/archive/DAY/  read and committed
home/held/         waiting for a vehicle's description, each with NAME.reason.json
home/quarantine/   could not be read, each with NAME.reason.json
home/samples/      the samples of stored trips, for the page (see ``samples``)
home/.owner        locked by the process that writes; holds its address
```

Moves are renames inside one file system; nothing is ever overwritten.
"""

import fcntl
import json
import os
import re
import shutil
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from evitals.errors import HomeInUse, StoreError

REASON = ".reason.json"
OPTIONS = ".options.json"
PART = ".part"
HALF_REASON = re.compile(r"\.[0-9a-f]{32}")
NAME_BYTES = 200
"""Longest file name kept as it is; room is left for a counter and ``REASON``."""


class Home:
    """The folders of one fleet. Created on first use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.claimed = root / ".claimed"
        self.archive = root / "archive"
        self.held = root / "held"
        self.quarantine = root / "quarantine"
        self._placing = threading.Lock()
        self._owner: BinaryIO | None = None

    def create(self) -> None:
        """Make the folders that are missing. Raises StoreError where that is refused."""
        folders = (self.incoming, self.claimed, self.archive, self.held, self.quarantine)
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"home: {self.root} cannot be used ({error.strerror}); "
                "give a folder that may be written with --home or EVITALS_HOME"
            ) from error

    def own(self, who: str) -> None:
        """Lock the home for this process; the lock dies with it, even by kill -9.

        Raises HomeInUse naming the owner where another process (or Home) has it.
        """
        self.create()
        handle = (self.root / ".owner").open("a+b")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            owner = handle.read(200).decode("utf-8", "replace").strip() or "another process"
            handle.close()
            raise HomeInUse(self.root, self.incoming, owner) from error
        handle.truncate(0)
        handle.write(f"{who} (process {os.getpid()})".encode())
        handle.flush()
        self._owner = handle

    def disown(self) -> None:
        """Release the lock."""
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def claim(self, path: Path) -> Path | None:
        """Take a file of incoming/ or held/ away by rename; None where it has gone meanwhile.

        What its reason file says under "options" stays with it (see ``options``).
        """
        target = self.claimed / uuid4().hex / path.name
        target.parent.mkdir()
        reason = reason_path(path)
        if path.parent == self.held and reason.is_file():
            options = json.loads(reason.read_text(encoding="utf-8")).get("options", {})
            (target.parent / OPTIONS).write_text(json.dumps(options), encoding="utf-8")
        try:
            path.rename(target)
        except FileNotFoundError:
            self._drop(target.parent)
            return None
        if path.parent == self.held:
            reason.unlink(missing_ok=True)
        return target

    def options(self, path: Path) -> dict[str, str]:
        """What was said about a claimed file when it came: vehicle_id, start, tz."""
        said = path.parent / OPTIONS
        options = json.loads(said.read_text(encoding="utf-8")) if said.is_file() else {}
        return {key: str(value) for key, value in options.items() if value is not None}

    def keep(self, data: Path | bytes, name: str) -> Path:
        """Write a copy of a file, or of bytes that came without one, as a claimed file."""
        target = self.claimed / uuid4().hex / safe_name(name)
        target.parent.mkdir()
        part = target.parent / PART
        if isinstance(data, Path):
            shutil.copyfile(data, part)
        else:
            part.write_bytes(data)
        part.rename(target)
        return target

    def to_archive(self, path: Path) -> Path:
        """Move a claimed file to today's archive folder; returns where it lies."""
        return self._place(path, self.archive / datetime.now(UTC).strftime("%Y-%m-%d"), None)

    def to_held(self, path: Path, reason: dict[str, Any]) -> Path:
        """Move a claimed file to held/ with its reason file."""
        return self._place(path, self.held, reason)

    def to_quarantine(self, path: Path, reason: dict[str, Any]) -> Path:
        """Move a claimed file to quarantine/ with its reason file."""
        return self._place(path, self.quarantine, reason)

    def held_files(self) -> list[tuple[Path, dict[str, Any]]]:
        """Files that wait, each with its reason."""
        found = []
        for path in sorted(self.held.glob("[!.]*")):
            reason = reason_path(path)
            if not path.name.endswith(REASON) and reason.is_file():
                found.append((path, json.loads(reason.read_text(encoding="utf-8"))))
        return found

    def recover(self) -> list[Path]:
        """What a killed process had claimed and not finished: claimed files to take up again."""
        found = []
        for folder in [f for f in sorted(self.claimed.iterdir()) if f.is_dir()]:
            whole = [path for path in folder.iterdir() if path.name not in (OPTIONS, PART)]
            if whole:
                found += whole
            else:
                self._drop(folder)
        for folder in (self.held, self.quarantine):
            for path in sorted(p for p in folder.iterdir() if not p.is_dir()):
                subject = path.with_name(path.name.removesuffix(REASON))
                if HALF_REASON.fullmatch(path.name) or not os.path.lexists(subject):
                    path.unlink()
                elif path == subject and path.name[0] != "." and not reason_path(path).exists():
                    found += filter(None, [self.claim(path)])
        return found

    def _drop(self, folder: Path) -> None:
        """Remove the emptied folder of a claim."""
        for left in (OPTIONS, PART):
            (folder / left).unlink(missing_ok=True)
        folder.rmdir()

    def _place(self, path: Path, folder: Path, reason: dict[str, Any] | None) -> Path:
        """Move without overwriting. The reason is written first: a file is never without one."""
        with self._placing:
            folder.mkdir(exist_ok=True)
            target = _free(folder, path.name)
            if reason is not None:
                part = folder / f".{uuid4().hex}"
                part.write_text(json.dumps(reason, indent=2, default=str), encoding="utf-8")
                part.rename(reason_path(target))
            path.rename(target)
        self._drop(path.parent)
        return target


def reason_path(path: Path) -> Path:
    """Where the reason of a held or quarantined file lies."""
    return path.with_name(path.name + REASON)


def safe_name(name: str) -> str:
    """A file name without folders, control characters or excess length."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    base = "".join(c if c.isprintable() else "_" for c in base).lstrip(".")
    return _fit(base or "unnamed", "")


def shown_name(name: str) -> str:
    """A file name as text that every store and JSON accept (undecodable bytes escaped)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_regular(path: Path) -> bool:
    """Whether ``path`` itself is a file: no link, pipe, socket, device or folder."""
    return stat.S_ISREG(path.lstat().st_mode)


def _free(folder: Path, name: str) -> Path:
    """A path in ``folder`` that neither a file nor a reason file has."""
    count = 1
    while True:
        mark = "" if count == 1 else f".{count}"
        path = folder / _fit(name, mark)
        if not os.path.lexists(path) and not os.path.lexists(reason_path(path)):
            return path
        count += 1


def _fit(name: str, mark: str) -> str:
    """``name`` with ``mark`` before its suffix, cut to NAME_BYTES."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(os.fsencode(suffix)) > 20:
        stem, dot, suffix = name, "", ""
    tail = os.fsencode(f"{mark}{dot}{suffix}")
    return os.fsdecode(os.fsencode(stem)[: NAME_BYTES - len(tail)] + tail)
