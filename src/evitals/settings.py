"""Every setting: type, unit, default, meaning. Environment name: EVITALS_ + the upper-case name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from evitals.errors import SettingsError

PREFIX = "EVITALS_"
Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1024)]
Seconds = Annotated[float, Meta(gt=0.0, le=1e7)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings. ``Settings.load()`` reads the environment."""

    home: Annotated[
        Path, Meta(description="folder of the store, incoming/, archive/, held/ and quarantine/")
    ] = Path("evitals-data")
    host: Annotated[str, Meta(description="address the service binds to")] = "127.0.0.1"
    host_names: Annotated[
        str,
        Meta(
            description="names besides localhost and the address by which the service may be asked "
            "(the name of a proxy in front of it), with commas between"
        ),
    ] = ""
    port: Annotated[int, Meta(ge=0, le=65535, description="port the service binds to")] = 8420
    max_request_bytes: Annotated[Bytes, Meta(description="largest request body")] = 64 * 2**20
    max_file_bytes: Annotated[Bytes, Meta(description="largest file read")] = 512 * 2**20
    watch_rescan_s: Annotated[
        Seconds, Meta(description="pause between slow rescans of incoming/, s")
    ] = 30.0
    watch_stable_s: Annotated[
        Seconds, Meta(description="a file unchanged for this long is complete, s")
    ] = 0.05
    live_interval_s: Annotated[
        Seconds, Meta(description="pause between live updates to browsers, s")
    ] = 0.25
    keep_days: Annotated[
        Count, Meta(description="days of history that `evitals store prune` keeps")
    ] = 3650
    keep_samples: Annotated[
        bool,
        Meta(description="keep each trip's samples for the page, in samples/ (about 10 KB a trip)"),
    ] = True
    risk_monitor: Annotated[
        float, Meta(description="risk score from which a vehicle is Monitor")
    ] = 0.5
    risk_priority: Annotated[
        float, Meta(description="risk score from which a vehicle is Priority Maintenance")
    ] = 0.8
    soh_monitor: Annotated[
        Share, Meta(description="SoH below which a vehicle is at least Monitor")
    ] = 0.80
    soh_priority: Annotated[
        Share, Meta(description="SoH below which a vehicle is Priority Maintenance")
    ] = 0.70
    status_hysteresis: Annotated[
        Share, Meta(description="how far a value must return before the status improves")
    ] = 0.02
    status_evidence: Annotated[
        Count, Meta(description="answers in a row that a change of status needs")
    ] = 3
    min_evidence: Annotated[
        Count, Meta(description="accepted evidence below which SoH is unknown")
    ] = 3
    models: Annotated[Path, Meta(description="folder of the model registry")] = Path(
        "evitals-models"
    )
    trusted_keys: Annotated[
        str,
        Meta(
            description="public keys (or their .pub files) whose model bundles are taken, with "
            "commas between; where there are any, an unsigned bundle is refused"
        ),
    ] = ""
    bms_capacity_error: Annotated[
        Share, Meta(description="half-width of the capacity error a BMS's SoC may embed")
    ] = 0.06

    @classmethod
    def described(cls) -> "list[SettingInfo]":
        """Every setting with its type, default and meaning, in order."""
        return [
            SettingInfo(f.name, f.default, f.type.__metadata__[-1].description)
            for f in msgspec.structs.fields(cls)
        ]

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
            if name not in fields:
                raise SettingsError(f"{name}: no such setting; known: {', '.join(fields)}")
            try:
                values[name] = msgspec.convert(
                    value, fields[name].type, strict=False, dec_hook=_path
                )
            except msgspec.ValidationError as error:
                meaning = next(a.meaning for a in cls.described() if a.name == name)
                raise SettingsError(
                    f"{PREFIX}{name.upper()}={value!r}: {error}; it is the {meaning}"
                ) from error
        return cls(**values)


class SettingInfo(NamedTuple):
    """A setting as the documentation shows it."""

    name: str
    default: Any
    meaning: str


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise TypeError(f"no setting has the type {kind}")
