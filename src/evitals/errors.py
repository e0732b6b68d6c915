"""Every error a caller may catch.

EvitalsError
├── InputError            a value that cannot be used: field, value, remedy
│   ├── UnreadableFile    a file no source can read
│   ├── UnknownVehicle    a vehicle id nobody has described
│   ├── RefusedBundle     a model bundle that is not used: damaged, foreign, unsigned, wrong
│   └── UnknownModel      a model, version or alias that the registry does not have
├── SettingsError         a setting of the wrong type or out of bounds
├── UnsupportedChemistry  no measured tables for this chemistry
├── MissingExtra          an optional part is not installed
├── RegistryError         the model registry cannot be read or written
└── StoreError            the store refused or is not usable
    ├── HomeInUse         another process has the home
    └── StoreBusy         the writer's queue is full: try again later
"""

from typing import Any


class EvitalsError(Exception):
    """Root of every error evitals raises on purpose."""


class InputError(EvitalsError, ValueError):
    """A value from outside that cannot be used.

    ``field`` names it, ``value`` is what came (shortened), ``problem`` says what is wrong
    and ``remedy`` what to do. ``reason`` is a stable snake_case code for machines.
    """

    def __init__(
        self, field: str, value: Any, problem: str, remedy: str, *, reason: str = "invalid"
    ) -> None:
        self.field = field
        self.value = shorten(value)
        self.problem = problem
        self.remedy = remedy
        self.reason = reason
        super().__init__(f"{field}: {self.value} {problem}; {remedy}")


class UnreadableFile(InputError):
    """A file that no source can read; ``field`` is the file's name."""


class UnknownVehicle(InputError):
    """A vehicle id that nobody has described."""

    def __init__(self, vehicle_id: str, known: list[str] | None = None) -> None:
        near = f" (near: {', '.join(known)})" if known else ""
        super().__init__(
            "vehicle_id",
            vehicle_id,
            f"is not described{near}",
            "describe it with `evitals vehicles add` or PUT /v1/vehicles/{id}; "
            "`evitals vehicles list` names those known",
            reason="unknown_vehicle",
        )


class RefusedBundle(InputError):
    """A model bundle (or a part of it) that must not be used; ``reason`` says why in one word."""


class UnknownModel(InputError):
    """A model, version or alias that the registry does not have."""

    def __init__(self, name: str, known: list[str]) -> None:
        there = f" (there: {', '.join(known[:10])})" if known else " (nothing is there)"
        super().__init__(
            "model",
            name,
            f"is not in the registry{there}",
            "`evitals models list` names what is; `evitals models add FILE` brings one in",
            reason="unknown_model",
        )


class SettingsError(EvitalsError):
    """A setting of the wrong type or out of its bounds."""


class UnsupportedChemistry(EvitalsError):
    """No measured tables exist for this chemistry."""

    reason = "unsupported_chemistry"

    def __init__(self, chemistry: str, supported: list[str]) -> None:
        self.chemistry = chemistry
        super().__init__(
            f"chemistry: {chemistry!r} has no circuit tables; supported: {', '.join(supported)}"
        )


class MissingExtra(EvitalsError):
    """An optional part of evitals is not installed: the message is the line that installs it."""

    def __init__(self, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{extra} is not installed; pip install 'evitals[{extra}]'")


class RegistryError(EvitalsError):
    """The model registry cannot be read or written, or a change would break it."""


class StoreError(EvitalsError):
    """The store refused a request or cannot be used."""


class HomeInUse(StoreError):
    """Another process has the home; ``owner`` is what it calls itself."""

    def __init__(self, home: Any, incoming: Any, owner: str) -> None:
        self.owner = owner
        super().__init__(
            f"home: {home} is in use by {owner}; drop files into {incoming}, "
            "use its API, or stop it first"
        )


class StoreBusy(StoreError):
    """The writer's queue is full: try again later."""


def shorten(value: Any, limit: int = 80) -> str:
    """``repr`` of a value, cut so that no message grows with its input."""
    if isinstance(value, int) and abs(value) >= 10**limit:
        value = "a number of more than 80 digits"
    text = repr(value[: limit * 2] if isinstance(value, str | bytes) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
