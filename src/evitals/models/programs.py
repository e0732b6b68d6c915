"""A program as a folder of plain files: ``program.json`` and one ``.npy`` an array."""

from pathlib import Path

from evitals.errors import InputError
from evitals.estimators.program.program import MANIFEST, Program


def write_program(folder: Path, program: Program) -> None:
    """Write the program's files into ``folder``."""
    for name, content in program.to_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def read_program(folder: Path) -> Program:
    """The program in ``folder``, checked. Raises InputError."""
    if not (folder / MANIFEST).is_file():
        raise InputError(
            "program",
            str(folder),
            f"holds no {MANIFEST}",
            "give a finished job, or finish it with `evitals train --resume`",
        )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Program.from_files({p.relative_to(folder).as_posix(): p.read_bytes() for p in files})
