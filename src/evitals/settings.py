"""Every setting: type, unit, default, meaning. Environment name: EVITALS_ + the upper-case name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from evitals.errors import SettingsError

PREFIX = "EVITALS_"
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(gt=0.0, le=1e7)]


def _about(text: str, kind: Any) -> Any:
    return Annotated[kind, Meta(description=text)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings. ``Settings.load()`` reads the environment."""

    home: _about("folder of the store and of incoming/, archive/, held/, quarantine/", Path) = Path(
        "evitals-data"
    )
    host: _about("address the service binds to", str) = "127.0.0.1"
    port: _about("port the service binds to", Annotated[int, Meta(ge=0, le=65535)]) = 8420
    max_request_bytes: _about("largest request body", Annotated[int, Meta(ge=1024)]) = 64 * 2**20
    max_file_bytes: _about("largest file read", Annotated[int, Meta(ge=1024)]) = 512 * 2**20
    watch_rescan_s: _about("pause between slow rescans of incoming/, s", Seconds) = 30.0
    watch_stable_s: _about("a file unchanged for this long is complete, s", Seconds) = 0.05
    live_interval_s: _about("pause between live updates to browsers, s", Seconds) = 0.25
    keep_days: _about("days of history that `evitals store prune` keeps", Annotated[int, Meta(ge=1)]) = 3650
    risk_monitor: _about("risk score from which a vehicle is Monitor", float) = 0.5
    risk_priority: _about("risk score from which a vehicle is Priority Maintenance", float) = 0.8
    soh_monitor: _about("SoH below which a vehicle is at least Monitor", Share) = 0.80
    soh_priority: _about("SoH below which a vehicle is Priority Maintenance", Share) = 0.70
    status_hysteresis: _about("how far a value must return before the status improves", Share) = 0.02
    status_evidence: _about("answers in a row that a change of status needs", Annotated[int, Meta(ge=1)]) = 3
    min_evidence: _about("accepted evidence below which SoH is unknown", Annotated[int, Meta(ge=1)]) = 3
    bms_capacity_error: _about("half-width of the capacity error a BMS's SoC may embed", Share) = 0.05

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> "Settings":
        """Settings from the environment, then ``overrides`` (None is ignored).

        Raises SettingsError naming the variable, its value and what is allowed.
        """
        environ = os.environ if environ is None else environ
        fields = {f.name: f for f in msgspec.structs.fields(cls)}
        given: dict[str, Any] = {
            name: environ[PREFIX + name.upper()]
            for name in fields
            if PREFIX + name.upper() in environ
        }
        given |= {k: v for k, v in overrides.items() if v is not None}
        values = {}
        for name, value in given.items():
            try:
                values[name] = msgspec.convert(
                    value, fields[name].type, strict=False, dec_hook=_path
                )
            except msgspec.ValidationError as error:
                raise SettingsError(f"{PREFIX}{name.upper()}={value!r}: {error}") from error
        return cls(**values)


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise TypeError(f"no setting has the type {kind}")
