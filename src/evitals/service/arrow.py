"""``/predict`` rows as Arrow: columns in, columns out.

Columns say which rows are in order; every other row is looked at alone by ``convert_predict``, so
that a refusal is the same in every format.
"""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from evitals.battery import Identifier
from evitals.errors import EvitalsError, InputError
from evitals.service.predict import (
    DAY_S,
    FEATURES,
    KNOWN,
    REPLIED,
    Answers,
    Parsed,
    Rows,
    convert_predict,
    rows_of,
)
from evitals.service.problems import malformed, problem_of
from evitals.service.schemas import PredictRequest

Bools = npt.NDArray[np.bool_]


def _bounds(name: str) -> tuple[float, float, bool]:
    """The least and the most of a feature, and whether it may be missing."""
    field = next(f for f in msgspec.structs.fields(PredictRequest) if f.name == name)
    kind: Any = msgspec.inspect.type_info(field.type)
    if not field.required:
        kind = next(k for k in kind.types if isinstance(k, msgspec.inspect.FloatType))
    return kind.ge, kind.le, not field.required


BOUNDS = {name: _bounds(name) for name in FEATURES}


@contextmanager
def _decoding() -> Iterator[None]:
    """Turns what polars cannot decode into InputError; in damaged columns it may even panic."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise malformed(error if isinstance(error, Exception) else ValueError()) from error


def read(body: bytes, most: int) -> pl.DataFrame:
    """An IPC stream as a table of at most ``most`` rows. Raises InputError where it is none."""
    with _decoding():
        return pl.read_ipc_stream(io.BytesIO(body), n_rows=most)


def parse(table: pl.DataFrame) -> Parsed:
    """The rows of a table, and the errors of those that are refused.

    Raises InputError where its columns cannot be decoded.
    """
    with _decoding():
        return _parse(table)


def _parse(table: pl.DataFrame) -> Parsed:
    features = np.full((len(table), len(FEATURES)), np.nan, dtype=np.float32)
    good = np.ones(len(table), dtype=bool)
    for place, name in enumerate(FEATURES):
        values, in_order = _feature(table, name)
        features[:, place] = values
        good &= in_order
    names, known = _vehicle_ids(table)
    events, dated = _events(table)
    good &= known & dated
    for name in table.columns:
        if name not in KNOWN:
            good &= table[name].is_null().to_numpy()
    rows = Rows(names, features, events, [()] * len(table))
    refused: dict[int, EvitalsError] = {}
    if not good.all():
        _alone(table, np.flatnonzero(~good), rows, refused)
    return Parsed.of(rows, refused)


def _feature(table: pl.DataFrame, name: str) -> tuple[npt.NDArray[Any], Bools]:
    """A column's values (NaN where missing or not in order), and which rows are in order."""
    low, high, optional = BOUNDS[name]
    missing = np.full(len(table), np.nan)
    if name not in table.columns:
        return missing, np.full(len(table), optional)
    column = table[name]
    null = column.is_null().to_numpy() & optional
    if not column.dtype.is_numeric() or column.dtype.is_decimal():
        return missing, null
    values = column.cast(pl.Float64).to_numpy()
    inside = (values >= low) & (values <= high)
    return np.where(inside, values, np.nan), inside | null


def _vehicle_ids(table: pl.DataFrame) -> tuple[list[str], Bools]:
    if "vehicle_id" not in table.columns or table["vehicle_id"].dtype != pl.String:
        return [""] * len(table), np.zeros(len(table), dtype=bool)
    names = table["vehicle_id"].to_list()
    good = {name: _is_identifier(name) for name in set(names)}
    return names, np.array([good[name] for name in names], dtype=bool)


def _is_identifier(name: str | None) -> bool:
    try:
        msgspec.convert(name, Identifier)
    except msgspec.ValidationError:
        return False
    return True


def _events(table: pl.DataFrame) -> tuple[list[int | None], Bools]:
    """Event times in microseconds since 1970, None where missing or not in order."""
    if "event_time" not in table.columns:
        return [None] * len(table), np.ones(len(table), dtype=bool)
    column = table["event_time"]
    null = column.is_null()
    if not isinstance(column.dtype, pl.Datetime) or column.dtype.time_zone is None:
        return [None] * len(table), null.to_numpy()
    events = column.dt.epoch("us")
    good = null | events.is_between(0, int((time.time() + DAY_S) * 1e6)).fill_null(value=False)
    return events.to_list(), good.to_numpy()


def _alone(
    table: pl.DataFrame,
    places: npt.NDArray[np.intp],
    rows: Rows,
    refused: dict[int, EvitalsError],
) -> None:
    """Look at these rows one by one: into ``rows`` where they are in order after all."""
    try:
        given_rows = table[places].to_dicts()
    except (ValueError, OverflowError) as error:  # a year that Python does not have
        raise malformed(error) from error
    for place, row in zip(places.tolist(), given_rows, strict=True):
        try:
            given = convert_predict({k: v for k, v in row.items() if v is not None})
        except InputError as error:
            refused[place] = error
            continue
        one = rows_of([given])
        rows.vehicle_ids[place] = one.vehicle_ids[0]
        rows.features[place] = one.features[0]
        rows.event_us[place] = one.event_us[0]
        rows.ignored[place] = one.ignored[0]


def write(answers: Answers, places: Sequence[int], refused: Mapping[int, EvitalsError]) -> bytes:
    """Results as an Arrow IPC stream: the reply's fields flat, nulls and ``reason`` if refused.

    ``places`` are those of the answers among the rows sent, as the keys of ``refused`` are.
    """
    rows = answers.rows
    numbers = ("predicted_soh", "soh_low", "soh_high", "predicted_sop", "health_score")
    answered = pl.DataFrame(
        {
            "index": pl.Series(places, dtype=pl.Int64),
            "vehicle_id": pl.Series(rows.vehicle_ids, dtype=pl.String),
            "status": pl.Series(rows.statuses, dtype=pl.String),
            "validity": pl.Series(answers.validities(), dtype=pl.String),
            "reason": pl.repeat(None, len(rows), dtype=pl.String, eager=True),
            "event_time": (pl.Series(rows.event_s, dtype=pl.Int64) * 1000)
            .cast(pl.Datetime("ms"))
            .dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "trip_digest": pl.Series(rows.digests, dtype=pl.Binary).bin.encode("hex"),
            "capacity_ah": answers.capacity_ah,
        }
        | {
            name: answers.rows.values[:, place]
            for name, place in zip(numbers, REPLIED, strict=True)
        }
        | {"reasons": pl.Series(rows.reason_sets, dtype=pl.List(pl.String)).gather(rows.reasons)}
    ).with_columns(pl.col(numbers).fill_nan(None))
    problems = pl.DataFrame(
        {"index": list(refused), "reason": [problem_of(e).reason for e in refused.values()]},
        schema={"index": pl.Int64, "reason": pl.String},
    )
    out = io.BytesIO()
    pl.concat([answered, problems], how="diagonal").sort("index").write_ipc_stream(out)
    return out.getvalue()
