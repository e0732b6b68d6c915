"""What a training job is asked for: one typed TOML file, validated before anything is computed.

Sections: ``data``, ``recipe`` (preprocessing, inputs, target), ``split``, ``model`` (its ``kind``
decides the fields) and ``training``; ``seed`` on top. ``--set training.epochs=20`` overrides one.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta, Struct

from evitals.errors import InputError
from evitals.models.recipe import Recipe

MAX_BYTES = 256 * 1024
Width = Annotated[int, Meta(ge=1, le=512)]
Seconds = Annotated[float, Meta(ge=1e-3, le=1e7)]
Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
Bend = Annotated[float, Meta(ge=0.0, le=1e3)]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]


class Data(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the measurements lie.

    ``set``: ``lg_18650hg2`` or ``panasonic_18650pf`` (folder of that name in ``folder``), or
    ``files``: the CSV and Parquet files of ``folder`` itself, a test each. ``step_s``: samples
    arrive one in each such step, s, and are stamped so; "as recorded" keeps their stamps.
    """

    set: Literal["lg_18650hg2", "panasonic_18650pf", "files"]
    folder: str = ""
    step_s: Seconds | Literal["as recorded"] = 1.0

    @property
    def grid_s(self) -> float | None:
        """The step samples are stamped on, s; None as recorded."""
        return self.step_s if isinstance(self.step_s, float) else None


class Split(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Groups (``by`` profile, cell or file) a side; none may be on two. ``test`` is scored, never
    selected on."""

    by: Literal["profile", "cell", "file"] = "profile"

    train: Annotated[tuple[str, ...], Meta(min_length=1)]
    validate: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class FilterBank(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="filterbank"
):
    """A feed-forward net that sees exponential means of the current as well: ``tau_s``, s."""

    hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=6)] = (28, 28)
    activation: Literal["relu", "tanh"] = "tanh"
    bend_a: Bend = 0.5
    tau_s: Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=32)] = (
        1.0, 3.0, 10.0, 30.0, 100.0, 300.0,
    )  # fmt: skip


class Fnn(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="fnn"):
    """A feed-forward net of the present sample alone: it remembers nothing."""

    hidden: Annotated[tuple[Width, ...], Meta(min_length=1, max_length=6)] = (32, 32)
    activation: Literal["relu", "tanh"] = "tanh"
    bend_a: Bend = 0.0


class Lstm(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="lstm"):
    """A long short-term memory of ``size`` cells; ``skip`` lets the answer see the inputs too."""

    size: Width = 16
    skip: bool = False
    bend_a: Bend = 0.0


class Gru(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="gru"):
    """A gated recurrent unit of ``size`` cells; ``skip`` lets the answer see the inputs too."""

    size: Width = 16
    skip: bool = False
    bend_a: Bend = 0.0


Model = FilterBank | Fnn | Lstm | Gru
KINDS: dict[str, type[Struct]] = {"filterbank": FilterBank, "fnn": Fnn, "lstm": Lstm, "gru": Gru}
"""Every kind of model by its name in the file.

``bend_a``: asinh(current / bend_a) is an input too, as the Butler-Volmer law bends; 0: it is not.
"""


class Training(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the weights are found.

    ``batch``: samples at once for a net without memory, cycles in parallel for one with memory.
    ``window``: samples between two updates, over which the gradient flows back. ``patience``:
    epochs without a better validation error until it stops (0: never). ``minutes``: time for all
    seeds together; a run that has none left ends where it stands. ``refit``: once more over
    training and validation groups, for as many epochs as were best. ``copies``: of each training
    cycle with the recipe's sensor errors. ``threads`` changes the last digits of the result.
    """

    epochs: Annotated[int, Meta(ge=1, le=100_000)] = 100
    minutes: Annotated[float, Meta(gt=0.0, le=10_000.0)] = 30.0
    batch: Annotated[int, Meta(ge=1, le=1_000_000)] = 32
    window: Annotated[int, Meta(ge=2, le=100_000)] = 256
    learning_rate: Annotated[float, Meta(gt=0.0, le=1.0)] = 3e-3
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warm_up: Share = 0.02
    weight_decay: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    clip: Positive = 1.0
    patience: Annotated[int, Meta(ge=0, le=100_000)] = 0
    seeds: Annotated[tuple[int, ...], Meta(max_length=20)] = ()
    refit: bool = False
    copies: Annotated[int, Meta(ge=0, le=100)] = 0
    threads: Annotated[int, Meta(ge=1, le=64)] = 1


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One job. The recipe's ``inputs`` and ``target`` are measured columns in physical units."""

    data: Data
    recipe: Recipe = Recipe(inputs=("soc", "current_a", "temperature_degc"))
    split: Split
    model: Model
    training: Training = Training()
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 1

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model is given, in order."""
        return self.recipe.inputs

    @property
    def target(self) -> str:
        """What it estimates."""
        return self.recipe.target

    @property
    def step_s(self) -> float | None:
        """The step between samples the model sees, s, where there is one."""
        resample = self.recipe.resample
        return self.data.grid_s if resample is None else resample.step_s

    @property
    def kind(self) -> str:
        """The model's kind as the file names it."""
        return str(self.model.__struct_config__.tag)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds trained one after the other."""
        return self.training.seeds or (self.seed,)


def load_config(source: Path, overrides: Iterable[str] = ()) -> Config:
    """The configuration in a TOML file, with ``key=value`` texts on top.

    Raises InputError naming the setting, what came, and what to do (with the nearest name).
    """
    if not source.is_file():
        raise InputError("config", str(source), "is no file", "give a TOML file")
    if source.stat().st_size > MAX_BYTES:
        raise InputError("config", str(source), "is too large", f"use at most {MAX_BYTES} bytes")
    try:
        tree = tomllib.loads(source.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(source.name, str(error), "is no TOML", "repair that line") from error
    for text in overrides:
        _override(tree, text)
    return parse_config(tree)


def parse_config(tree: Mapping[str, Any]) -> Config:
    """The configuration in a tree of dicts as TOML and JSON give it. Raises InputError."""
    _check_keys("", tree, Config)
    model = tree.get("model")
    if isinstance(model, Mapping):
        _check_kind(model)
    try:
        return msgspec.convert(tree, Config, strict=True)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        problem, _, place = str(error).partition(" - at `$")
        field = place.strip("`.") or "config"
        value = _at(tree, field)
        raise InputError(
            field, value, f"is refused: {problem}", "see docs/training.md", reason="bad_config"
        ) from error


def dump_config(config: Config) -> str:
    """The configuration as TOML, every setting written out: it gives the same job again."""
    tree = to_tree(config)
    lines = [f"{key} = {_toml(value)}" for key, value in tree.items() if not _is_table(value)]
    for name, table in tree.items():
        if _is_table(table):
            lines += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def to_tree(config: Config) -> dict[str, Any]:
    """The configuration as plain dicts, lists, numbers and texts; what is None is left out."""
    tree: dict[str, Any] = _without_none(msgspec.to_builtins(config))
    return tree


def nearest(name: str, known: Iterable[str]) -> str:
    """What to tell who wrote ``name``: the nearest of the known names, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"


def _check(config: Config) -> None:
    split = config.split
    sides = {"train": split.train, "validate": split.validate, "test": split.test}
    seen: dict[str, str] = {}
    for side, profiles in sides.items():
        for profile in profiles:
            if profile in seen:
                _refuse(
                    f"split.{side}",
                    profile,
                    f"is in {seen[profile]} too",
                    "keep a profile on one side",
                )
            seen[profile] = side
    if config.recipe.steps:
        _refuse(
            "recipe.steps",
            config.recipe.made,
            "would have to run on the BMS beside the model, which carries its own filters",
            "use [model] tau_s and bend_a, or prepare the files with these columns",
        )
    if config.training.refit and not split.validate:
        _refuse("training.refit", True, "needs validation profiles", "set split.validate")
    if config.training.patience and not split.validate:
        _refuse(
            "training.patience",
            config.training.patience,
            "needs validation profiles",
            "set split.validate",
        )
    bent = config.model.bend_a > 0.0 or isinstance(config.model, FilterBank)
    if bent and "current_a" not in config.inputs:
        _refuse("inputs", config.inputs, "lack current_a, which this model filters", "add it")
    if isinstance(config.model, Lstm | Gru) and config.step_s is None:
        _refuse(
            "data.step_s",
            config.data.step_s,
            "leaves no one step, which a recurrent network needs",
            "set it to 1.0 or resample",
        )


def _check_kind(model: Mapping[str, Any]) -> None:
    kind = model.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        _refuse("model.kind", kind, "is no kind of model", nearest(str(kind), KINDS))
    _check_keys("model", {k: v for k, v in model.items() if k != "kind"}, KINDS[kind])


def _check_keys(where: str, tree: Mapping[str, Any], struct: type[Struct]) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key, value in tree.items():
        path = f"{where}.{key}" if where else key
        if key not in fields:
            _refuse(path, value, "is no setting here", nearest(key, fields))
        kind = fields[key].type
        if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, Mapping):
            _check_keys(path, value, kind)


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        _refuse("--set", text, "is not key=value", "write for instance training.epochs=20")
    *parents, last = key.strip().split(".")
    place = tree
    for name in parents:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            _refuse("--set", text, f"has no table {name}", "give the name of a section")
    place[last] = _value(value.strip())


def _value(text: str) -> Any:
    """A value as TOML writes it; bare words are texts."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _at(tree: Mapping[str, Any], path: str) -> Any:
    value: Any = tree
    for name in path.split("[")[0].split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    # JSON's numbers and texts are TOML's; infinite ones pass no check of ours.
    return msgspec.json.encode(value).decode()


def _refuse(field: str, value: object, problem: str, remedy: str) -> NoReturn:
    raise InputError(field, value, problem, remedy, reason="bad_config")
