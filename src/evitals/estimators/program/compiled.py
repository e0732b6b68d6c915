"""A program as C, compiled on this machine and called through cffi.

The shared library is built once and kept in a folder of the user, named by what it depends on:
program, flags, compiler, Python and processor. Builders may race: each writes its own file and
renames it, so a library is whole or absent. ``-march=native`` ties it to the processor it was built
on, which is why the processor is part of the name.
"""

import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evitals.estimators.program.c_source import STATUS, CSource, c_source
from evitals.estimators.program.machine import Machine, Status
from evitals.estimators.program.program import Program

Array = NDArray[np.float64]

FLAGS = (
    "-std=gnu11",
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-semantic-interposition",
)
"""What every library is compiled with, besides -shared -fPIC."""
_TIMEOUT_S = 120.0


class CannotCompile(Exception):
    """Why there is no compiled program: the message."""


class Compiled(Machine):
    """A program stepped and run by compiled C in float32. Raises CannotCompile with the reason.

    ``cache`` is the folder of built libraries (default: ``evitals/programs`` in the user's cache).
    """

    def __init__(self, program: Program, cache: Path | None = None) -> None:
        super().__init__(program)
        self.engine, self._ffi, self._lib = _load(_shared(program), cache or default_cache())
        self._self = self._ffi.new("shared_t *")
        self._lib.model_init(self._ffi.addressof(self._self, "model"))
        # Turns are taken in C: a lock in Python would cost more than the step.
        self.step = partial(self._lib.shared_step, self._self)

    @property
    def status(self) -> Status:
        code: int = self._self.model.status
        return STATUS[code]

    @property
    def unknown_s(self) -> float:
        return float(self._self.model.unknown_s)

    def _run(self, dt_s: Array, inputs: Array) -> Array:
        with np.errstate(over="ignore"):
            times, rows = dt_s.astype(np.float32), inputs.astype(np.float32)
        out = np.empty(len(times), dtype=np.float32)
        self._lib.shared_run(self._self, len(times), *map(self._floats, (times, rows, out)))
        return out.astype(np.float64)

    def _reset(self) -> None:
        self._lib.shared_reset(self._self)

    def _get(self) -> tuple[float, Array]:
        out = np.empty(self.program.state_size + 1, dtype=np.float32)
        self._lib.shared_get_state(self._self, self._floats(out))
        found = out.astype(np.float64)
        return float(found[-1]), found[:-1]

    def _set(self, unknown_s: float, values: Array) -> None:
        state = np.append(values, unknown_s).astype(np.float32)
        self._lib.shared_set_state(self._self, self._floats(state))

    def _floats(self, values: NDArray[np.float32]) -> Any:
        return self._ffi.from_buffer("float[]", values)


_HEADS = """
typedef struct { model_t model; unsigned char busy; } shared_t;

float shared_step(shared_t *self, float dt_s, FLOATS);
void shared_run(shared_t *self, size_t n, const float *dt_s, const float *inputs, float *out);
void shared_reset(shared_t *self);
void shared_get_state(shared_t *self, float *out);
void shared_set_state(shared_t *self, const float *in);
"""
_BODIES = """
#include <sched.h>

static void take(shared_t *self)
{
    while (__atomic_test_and_set(&self->busy, __ATOMIC_ACQUIRE)) { sched_yield(); }
}

static void give(shared_t *self)
{
    __atomic_clear(&self->busy, __ATOMIC_RELEASE);
}

float shared_step(shared_t *self, float dt_s, FLOATS)
{
    take(self);
    const float y = model_step(&self->model, dt_s, NAMES);
    give(self);
    return y;
}

void shared_run(shared_t *self, size_t n, const float *dt_s, const float *inputs, float *out)
{
    take(self);
    model_run(&self->model, n, dt_s, inputs, out);
    give(self);
}

void shared_reset(shared_t *self)
{
    take(self);
    model_reset(&self->model);
    give(self);
}

void shared_get_state(shared_t *self, float *out)
{
    take(self);
    model_get_state(&self->model, out);
    give(self);
}

void shared_set_state(shared_t *self, const float *in)
{
    take(self);
    model_set_state(&self->model, in);
    give(self);
}
"""


def _shared(program: Program) -> CSource:
    """The program's C with functions around it that take turns: cffi lets other threads run."""
    plain = c_source(program, "model")
    names = [f"x{k}" for k in range(len(program.inputs))]
    floats = ", ".join(f"float {name}" for name in names)
    heads, bodies = (
        text.replace("FLOATS", floats).replace("NAMES", ", ".join(names))
        for text in (_HEADS, _BODIES)
    )
    return CSource("model", plain.declarations + heads, plain.definitions + bodies)


def default_cache() -> Path:
    """``evitals/programs`` under XDG_CACHE_HOME, else under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "evitals" / "programs"


def compiler() -> list[str]:
    """The C compiler's command: CC, else cc, gcc or clang. Raises CannotCompile without one."""
    given = shlex.split(os.environ.get("CC", ""))
    for command in [given] if given else [["cc"], ["gcc"], ["clang"]]:
        if path := shutil.which(command[0]):
            return [path, *command[1:]]
    raise CannotCompile(f"no C compiler: {' '.join(given) or 'cc, gcc and clang'} not found")


def _load(source: CSource, cache: Path) -> tuple[str, Any, Any]:
    """Engine's name, ffi and library; built where the cache has none or a broken one."""
    try:
        import cffi
    except ImportError as error:
        raise CannotCompile("cffi is not installed: pip install cffi") from error
    command, headers = compiler(), _python_headers()
    engine = "cffi" if headers else "dlopen"
    key = _key(source, engine, command, cffi.__version__)
    module = f"_evitals_{key}"
    file = _private(cache) / f"{module}.so"
    opened = _open_cffi if headers else _open_plain
    if file.is_file():
        try:
            return engine, *opened(module, file, source)
        except (ImportError, OSError):
            file.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=file.parent) as folder:
        text = Path(folder) / f"{module}.c"
        if headers:
            _write_wrapper(module, source, text)
        else:
            plain = "#include <stddef.h>\n" + source.declarations + source.definitions
            text.write_text(plain, encoding="utf-8")
        built = Path(folder) / file.name
        include = [f"-I{path}" for path in headers]
        _compile([*command, *FLAGS, "-shared", "-fPIC", *_LINK, *include, "-o", built, text, "-lm"])
        built.replace(file)
    try:
        return engine, *opened(module, file, source)
    except (ImportError, OSError) as error:
        raise CannotCompile(f"the compiled library cannot be loaded: {error}") from error


_LINK = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()


def _write_wrapper(module: str, source: CSource, file: Path) -> None:
    from cffi import FFI, recompiler

    ffi = FFI()
    ffi.cdef(source.declarations)
    preamble = "#include <stddef.h>\n" + source.declarations + source.definitions
    # What FFI.emit_c_code does, but for its print.
    recompiler.make_c_source(ffi, module, preamble, str(file))


def _open_cffi(module: str, file: Path, _: CSource) -> tuple[Any, Any]:
    loader = importlib.machinery.ExtensionFileLoader(module, str(file))
    spec = importlib.util.spec_from_file_location(module, file, loader=loader)
    assert spec is not None
    found = importlib.util.module_from_spec(spec)
    return found.ffi, found.lib


def _open_plain(_: str, file: Path, source: CSource) -> tuple[Any, Any]:
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(source.declarations)
    return ffi, ffi.dlopen(str(file))


def _python_headers() -> list[str]:
    """Folders with Python.h, [] where they are not installed: then C is called through libffi."""
    paths = sysconfig.get_paths()
    folders = list(dict.fromkeys([paths["include"], paths["platinclude"]]))
    return folders if any((Path(f) / "Python.h").is_file() for f in folders) else []


def _compile(command: list[str | Path]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own compiler
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCompile(f"{command[0]} did not compile it: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        raise CannotCompile(f"{command[0]} did not compile it: {lines[0][:200]}")


def _private(cache: Path) -> Path:
    """The cache folder, made where absent. Code is loaded from it: only its user may write it."""
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = cache.stat()
    except OSError as error:
        raise CannotCompile(f"{cache} cannot be used: {error.strerror}") from error
    others = stat.S_IWGRP | stat.S_IWOTH
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & others):
        raise CannotCompile(f"{cache} can be written by others: chmod 700 it, or remove it")
    if not os.access(cache, os.W_OK | os.X_OK):
        raise CannotCompile(f"{cache} cannot be written")
    return cache


def _key(source: CSource, engine: str, command: list[str], cffi_version: str) -> str:
    made = Path(command[0]).stat()
    parts = [
        source.declarations, source.definitions, engine, *FLAGS, *command,
        str(made.st_size), str(made.st_mtime_ns), cffi_version,
        sysconfig.get_config_var("SOABI") or sys.version, platform.machine(), _processor(),
    ]  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _processor() -> str:
    """What decides ``-march=native``: model and instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features", "CPU part")
    seen: Mapping[str, str] = {
        key.strip(): value for key, _, value in (line.partition(":") for line in lines)
    }
    return "".join(seen.get(name, "") for name in wanted)
