"""What computes a program here: compiled C where it can be, else NumPy and the reason."""

from pathlib import Path
from typing import Literal

from evitals.errors import InputError
from evitals.estimators.program.compiled import CannotCompile, Compiled
from evitals.estimators.program.interpreter import Interpreter
from evitals.estimators.program.machine import Machine
from evitals.estimators.program.program import Program

Engine = Literal["auto", "compiled", "numpy"]


def machine(program: Program, engine: Engine = "auto", cache: Path | None = None) -> Machine:
    """A new machine for a program.

    ``auto`` compiles and falls back to NumPy, where ``machine.reason`` says why; ``compiled``
    raises InputError instead; ``numpy`` is the reference. ``cache``: folder of built libraries.
    """
    if engine not in ("auto", "compiled", "numpy"):
        raise InputError("engine", engine, "is unknown", "give auto, compiled or numpy")
    if engine == "numpy":
        return Interpreter(program)
    try:
        return Compiled(program, cache)
    except CannotCompile as error:
        if engine == "compiled":
            raise InputError(
                "engine", engine, f"cannot be had: {error}", "install a C compiler or ask for numpy"
            ) from error
        return Interpreter(program, reason=str(error))
