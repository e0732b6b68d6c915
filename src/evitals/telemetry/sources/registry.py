"""All sources by name, and which of them wrote a given file."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evitals.errors import InputError, UnreadableFile, shorten
from evitals.telemetry.sources.source import Shape, Source


@dataclass(frozen=True, slots=True)
class Detection:
    """Which source was chosen, why (a sentence), and the next best one if there was one."""

    source: str
    why: str
    runner_up: str | None = None


class Registry:
    """Sources by name. Refuses a second source of the same name."""

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._sources: dict[str, Source] = {}
        for source in sources:
            self.add(source)

    def add(self, source: Source) -> None:
        """Register a source. Raises InputError if its name is taken."""
        if source.name in self._sources:
            raise InputError(
                "source",
                source.name,
                "is registered already",
                f"choose a name other than {', '.join(self._sources)}",
                reason="duplicate_source",
            )
        self._sources[source.name] = source

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources.values())

    def __len__(self) -> int:
        return len(self._sources)

    def get(self, name: str) -> Source:
        """The source of this name. Raises InputError naming the nearest and all others."""
        if name in self._sources:
            return self._sources[name]
        near = difflib.get_close_matches(name, self._sources, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(
            "source",
            name,
            "is not a known source",
            f"{hint}known: {', '.join(sorted(self._sources))}",
            reason="unknown_source",
        )

    def detect(self, names: Sequence[str], shape: Shape, file: str) -> tuple[Source, Detection]:
        """The source that wrote columns ``names``: of those that fit, the most specific.

        Raises UnreadableFile with the columns and the nearest source where none fits.
        """
        fitting = [s for s in self if shape in s.shapes and not s.missing(names)]
        fitting.sort(key=lambda s: (len(s.required), len(s.mapped(names))), reverse=True)
        if not fitting:
            raise self._unknown(names, shape, file)
        best = fitting[0]
        needed = [e if isinstance(e, str) else " or ".join(e) for e in best.required]
        why = f"{shape} with the columns {', '.join(needed)}, as {best.about} has"
        runner_up = fitting[1].name if len(fitting) > 1 else None
        return best, Detection(best.name, why, runner_up)

    def _unknown(self, names: Sequence[str], shape: Shape, file: str) -> UnreadableFile:
        nearest = sorted(
            (s for s in self if shape in s.shapes),
            key=lambda s: len(s.missing(names)) / max(1, len(s.required)),
        )
        hint = "name the columns as in docs/sources.md"
        if nearest:
            lacking = ", ".join(nearest[0].missing(names)[:6])
            hint = f"nearest is {nearest[0].name}, which also needs {lacking}; or {hint}"
        shown = shorten(", ".join(names[:12]), 160)
        return UnreadableFile(
            file, shown, f"are {shape} columns that no source knows", hint, reason="unknown_columns"
        )
