"""Records to bytes and back: scaled integers in as few bytes as they need.

Integers are written as base-128 varints, signed ones zigzag (both as in Protocol Buffers'
encoding). Fractions (SoH, its interval, risk, resistance growth) are in steps of 1e-4;
capacities in logarithmic steps (relative error at most 1.3e-4); power as a float32 without its
last mantissa byte (relative error at most 2**-17). ``rounded`` gives a record as it will be read
back, so that writer, readers and listeners see one value.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from evitals.errors import InputError
from evitals.fleet.records import Kind, LatestRecord, PredictionRecord, Status

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Cells = tuple[npt.NDArray[np.uint8], Bools]
"""Bytes of rows in columns, and which of them are used."""
STEP = 1e-4
"""Resolution of fractions."""
KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)
_FRACTIONS = ("soh", "soh_low", "soh_high", "resistance_growth", "risk_score")
_CAPACITIES = ("capacity_bms_ah", "capacity_ocv_ah")
OPTIONAL = (*_FRACTIONS[:3], *_CAPACITIES, "resistance_growth", "reference_sop_w", "risk_score")
"""Fields of a prediction that may be None, as packed."""
_optional = attrgetter(*OPTIONAL)
_FRACTION_PLACES = [OPTIONAL.index(name) for name in _FRACTIONS]
_FRACTION_MOST, _FLOAT32_MOST = 1e9, float(np.finfo(np.float32).max)
_CAPACITY_LOW_AH, _CAPACITY_HIGH_AH, _CODES = 1e-2, 1e5, 65_534
_LOG_STEP = math.log(_CAPACITY_HIGH_AH / _CAPACITY_LOW_AH) / _CODES
_ESCAPE = 65_535
_RISK_CENTRE = 4_000
_PER_S = (1, 10)


def varint(value: int) -> bytes:
    """A non-negative integer, seven bits a byte."""
    if value < 1 << 7:
        return bytes((value,))
    if value < 1 << 14:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 1 << 21:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    return bytes((value & 0x7F | 0x80,)) + varint(value >> 7)


class Cursor:
    """Reads packed values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def varint(self) -> int:
        """The next non-negative integer."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self) -> int:
        """The next integer of either sign."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        self.at += count
        return self.data[self.at - count : self.at]


def scale(name: str, value: float | None) -> int | None:
    """A fraction in steps of 1e-4. Raises InputError where it is not finite."""
    if value is None:
        return None
    return round(_finite(name, value) / STEP)


def unscale(value: int | None) -> float | None:
    """The fraction of a scaled integer."""
    return None if value is None else value / 10_000


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise InputError(name, value, "is not a finite number", "send null where it is unknown")
    return value


def _capacity_codes(values: Floats) -> Integers:
    """Logarithmic steps of capacities; ``_ESCAPE`` where they do not reach (also for NaN)."""
    inside = (values >= _CAPACITY_LOW_AH) & (values <= _CAPACITY_HIGH_AH)
    steps = np.log(np.where(inside, values, 1.0) / _CAPACITY_LOW_AH) / _LOG_STEP
    return np.where(inside, np.rint(steps), _ESCAPE).astype(np.int64)


def _capacity_cells(values: Floats, wanted: Bools) -> Cells:
    """Two bytes of a capacity's code, then eight of the value itself where the code is not it."""
    codes = _capacity_codes(values)
    cells = np.hstack([_raw(codes, "<u2"), _raw(values, "<f8")])
    used = np.repeat(wanted[:, None], 10, axis=1)
    used[:, 2:] &= (codes == _ESCAPE)[:, None]
    return cells, used


def _read_capacity(cursor: Cursor) -> float:
    code = int.from_bytes(cursor.take(2), "little")
    if code == _ESCAPE:
        return float(struct.unpack("<d", cursor.take(8))[0])
    return _capacity_of(code)


def _capacity_of(code: int) -> float:
    # Seven digits: beyond them the code's step has nothing to say.
    return float(f"{_CAPACITY_LOW_AH * math.exp(code * _LOG_STEP):.7g}")


def _float24(values: Floats) -> npt.NDArray[np.uint32]:
    """The bits of float32 with the last mantissa byte rounded away."""
    bits = values.astype(np.float32).view(np.uint32)
    most = np.where(bits >> 31, 0xFF7F_FFFF, 0x7F7F_FFFF).astype(np.uint32)
    kept: npt.NDArray[np.uint32] = np.minimum(bits + np.uint32(0x80), most) & np.uint32(0xFFFF_FF00)
    return kept


def _read_float24(cursor: Cursor) -> float:
    return float(struct.unpack(">f", cursor.take(3) + b"\0")[0])


def _raw(values: npt.NDArray[Any], kind: str) -> npt.NDArray[np.uint8]:
    """The bytes of values (n,) as ``kind``: (n, bytes of one)."""
    return np.ascontiguousarray(values.astype(kind)).view(np.uint8).reshape(len(values), -1)


def _varint_cells(numbers: Integers, wanted: Bools) -> Cells:
    """Varints of numbers (n, m), not negative: (n, m, w), w the most bytes that one takes."""
    width = max(1, -(-int(numbers.max(initial=0)).bit_length() // 7))
    rest = numbers[:, :, None] >> np.arange(0, 7 * width, 7)
    used = rest > 0
    used[:, :, 0] = True
    cells = (rest & 0x7F).astype(np.uint8)
    cells[:, :, :-1] |= used[:, :, 1:].astype(np.uint8) << 7
    used &= wanted[:, :, None]
    return cells, used


def _blobs(parts: Sequence[Cells]) -> list[bytes]:
    """The used cells of each row, part after part."""
    count = len(parts[0][0])
    cells = np.hstack([cells.reshape(count, -1) for cells, _ in parts])
    used = np.hstack([used.reshape(count, -1) for _, used in parts])
    data = cells[used].tobytes()
    ends = np.cumsum(np.count_nonzero(used, axis=1)).tolist()
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _zigzags(values: Integers) -> Integers:
    return (values << 1) ^ (values >> 63)


def optional_values(records: Sequence[PredictionRecord]) -> Floats:
    """``OPTIONAL`` of records, (n, 8), NaN for None.

    Raises InputError where one is not finite, too large, or an evidence count is negative.
    """
    for record in records:
        _check(record)
    return np.array([_optional(record) for record in records], dtype=float).reshape(-1, 8)


def _check(record: PredictionRecord) -> None:
    if record.evidence_count < 0:
        raise InputError(
            "evidence_count", record.evidence_count, "is negative", "count accepted evidence"
        )
    for name, value in zip(OPTIONAL, _optional(record), strict=True):
        if value is None:
            continue
        _finite(name, value)
        if name in _FRACTIONS and abs(value) > _FRACTION_MOST:
            raise InputError(name, value, "is too large", "send a fraction")
        if name == "reference_sop_w" and abs(value) > _FLOAT32_MOST:
            raise InputError(name, value, "is too large", "send it in watts")


def steps_of(values: Floats) -> Integers:
    """Fractions in steps of 1e-4, 0 for NaN."""
    return np.rint(np.where(np.isnan(values), 0.0, values) / STEP).astype(np.int64)


def scales(values: Floats) -> list[int | None]:
    """As ``scale`` of each, NaN for None."""
    found = steps_of(values).astype(object)
    found[np.isnan(values)] = None
    return found.tolist()  # type: ignore[no-any-return]


def pack_answers(
    heads: Integers, reasons: Integers, ages: Integers, evidence: Integers, values: Floats
) -> list[bytes]:
    """Predictions without what their trips say, row by row.

    ``heads`` (n,): a model's row number and a status (``head``); ``reasons`` (n,): row numbers;
    ``ages`` (n,): seconds from event (1970 without one) to scoring; ``values`` (n, 8): finite, or
    NaN for None, in the order of ``OPTIONAL``.
    """
    has = ~np.isnan(values)
    steps = steps_of(values[:, _FRACTION_PLACES])
    # SoH from 1, the interval's lower width, and by how much the upper one is wider.
    middle = np.where(has[:, 0], steps[:, 0], 10_000)
    below = np.where(has[:, 1], middle - steps[:, 1], 0)
    above = steps[:, 2] - middle - below
    signed = [ages, middle - 10_000, below, above, steps[:, 3] - 10_000, steps[:, 4] - _RISK_CENTRE]
    age, *fractions = (_zigzags(each) for each in signed)
    numbers = np.stack([heads, reasons, age, evidence, *fractions], axis=1)
    wanted = np.ones(numbers.shape, dtype=bool)
    wanted[:, 4:] = has[:, _FRACTION_PLACES]
    cells, used = _varint_cells(np.where(wanted, numbers, 0), wanted)
    present = (has @ (1 << np.arange(len(OPTIONAL)))).astype(np.uint8)
    always = np.ones((len(values), 1), dtype=bool)
    parts = [
        (cells[:, :1], used[:, :1]),
        (present[:, None], always),
        (cells[:, 1:7], used[:, 1:7]),
    ]
    if has[:, 3:5].any():
        parts += [_capacity_cells(values[:, k], has[:, k]) for k in (3, 4)]
    parts.append((cells[:, 7:8], used[:, 7:8]))
    if has[:, 6].any():
        power = _raw(_float24(np.where(np.isnan(values[:, 6]), 0.0, values[:, 6])), ">u4")[:, :3]
        parts.append((power, np.repeat(has[:, 6:7], 3, axis=1)))
    parts.append((cells[:, 8:], used[:, 8:]))
    return _blobs(parts)


def head(model: int, status: Status) -> int:
    """A model's row number and a status as one number."""
    return model << 2 | STATUSES.index(status)


def rounded_values(values: Floats) -> Floats:
    """``OPTIONAL`` (n, 8) as they will be read back."""
    found = values.copy()
    found[:, _FRACTION_PLACES] = np.rint(values[:, _FRACTION_PLACES] / STEP) / 10_000
    known = ~np.isnan(values)
    for k in (3, 4) if known[:, 3:5].any() else ():
        at = np.flatnonzero(known[:, k])
        codes = _capacity_codes(values[at, k]).tolist()
        for row, code in zip(at, codes, strict=True):
            if code != _ESCAPE:
                found[row, k] = _capacity_of(code)
    if known[:, 6].any():
        power = _float24(np.where(known[:, 6], values[:, 6], 0.0)).view(np.float32)
        found[known[:, 6], 6] = power[known[:, 6]]
    return found


def rounded(record: PredictionRecord) -> PredictionRecord:
    """The record as it will be read back. Raises InputError as ``optional_values`` does."""
    values = nones(rounded_values(optional_values([record])))[0]
    return msgspec.structs.replace(record, **dict(zip(OPTIONAL, values, strict=True)))


def nones(values: npt.NDArray[Any]) -> list[Any]:
    """Values as Python's own, None for NaN."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()  # type: ignore[no-any-return]


def unpack_answer(data: bytes, event_s: int | None) -> tuple[dict[str, Any], int, int]:
    """What ``pack_answers`` packed of one: fields of a PredictionRecord, model and reasons."""
    cursor = Cursor(data)
    head = cursor.varint()
    present = cursor.take(1)[0]
    has = {name: bool(present >> k & 1) for k, name in enumerate(OPTIONAL)}
    reasons = cursor.varint()
    fields: dict[str, Any] = dict.fromkeys(OPTIONAL)
    fields["status"] = STATUSES[head & 3]
    fields["scored_s"] = cursor.signed() + (event_s or 0)
    fields["evidence_count"] = cursor.varint()
    middle = 10_000
    if has["soh"]:
        middle += cursor.signed()
        fields["soh"] = unscale(middle)
    below = cursor.signed() if has["soh_low"] else 0
    if has["soh_low"]:
        fields["soh_low"] = unscale(middle - below)
    if has["soh_high"]:
        fields["soh_high"] = unscale(middle + below + cursor.signed())
    for name in _CAPACITIES:
        if has[name]:
            fields[name] = _read_capacity(cursor)
    if has["resistance_growth"]:
        fields["resistance_growth"] = unscale(cursor.signed() + 10_000)
    if has["reference_sop_w"]:
        fields["reference_sop_w"] = _read_float24(cursor)
    if has["risk_score"]:
        fields["risk_score"] = unscale(cursor.signed() + _RISK_CENTRE)
    return fields, head >> 2, reasons


class TripDetail(msgspec.Struct, frozen=True):
    """What a trip's blob holds beside its battery, event time and digest.

    ``origin`` (source and file name) and ``findings`` are row numbers of texts.
    """

    kind: Literal["drive", "charge", "rest", "test"]
    event_assumed: bool
    continues: bool
    sequence: int
    origin: int
    findings: int
    duration_s: float
    features: bytes


def pack_details(
    flags: Integers,
    origins: Integers,
    findings: Integers,
    durations: Floats,
    features: Iterable[bytes],
) -> list[bytes]:
    """Trips' blobs: flags and sequence (``flags_of``), row numbers, duration (s), features.

    Raises InputError where a duration is negative or not finite.
    """
    for value in durations[~((durations >= 0) & (durations < math.inf))].tolist():
        _finite("duration_s", value)
        raise InputError("duration_s", value, "is negative", "check the time stamps")
    # Seconds or tenths where they say it exactly, else the float64: a replay must be exact.
    codes = np.full(len(durations), len(_PER_S), dtype=np.int64)
    for code, per_s in reversed(list(enumerate(_PER_S))):
        counts = np.rint(durations * per_s)
        exact = (counts / per_s == durations) & (counts < 1 << 40)
        codes[exact] = counts[exact].astype(np.int64) << 2 | code
    numbers = np.stack([flags, origins, findings, codes], axis=1)
    plain = np.repeat(codes[:, None] == len(_PER_S), 8, axis=1)
    heads = _blobs(
        [
            _varint_cells(numbers, np.ones(numbers.shape, dtype=bool)),
            (_raw(durations, "<f8"), plain),
        ]
    )
    return [head + values for head, values in zip(heads, features, strict=True)]


def rows_of_bytes(values: npt.NDArray[np.float32]) -> list[bytes]:
    """The bytes of each row."""
    data, width = values.tobytes(), values.itemsize * values.shape[1]
    return [data[at : at + width] for at in range(0, len(data), width)]


def flags_of(kind: Kind, event_assumed: bool, continues: bool, sequence: int) -> int:
    """What a trip's blob starts with. Raises InputError where the sequence is negative."""
    if sequence < 0:
        raise InputError("sequence", sequence, "is negative", "count stretches from 0")
    return KINDS.index(kind) | event_assumed << 2 | continues << 3 | sequence << 4


def _read_duration(cursor: Cursor) -> float:
    code = cursor.varint()
    if code == len(_PER_S):
        return float(struct.unpack("<d", cursor.take(8))[0])
    return (code >> 2) / _PER_S[code & 3]


def unpack_detail(data: bytes) -> TripDetail:
    """What ``pack_details`` packed of one."""
    cursor = Cursor(data)
    first = cursor.varint()
    return TripDetail(
        kind=KINDS[first & 3],
        event_assumed=bool(first & 4),
        continues=bool(first & 8),
        sequence=first >> 4,
        origin=cursor.varint(),
        findings=cursor.varint(),
        duration_s=_read_duration(cursor),
        features=data[cursor.at :],
    )


def pack_members(numbers: Iterable[int]) -> bytes:
    """Row numbers one after the other: more are appended without reading the first ones."""
    return b"".join(map(varint, numbers))


def unpack_members(data: bytes) -> list[int]:
    """What ``pack_members`` packed."""
    cursor, found = Cursor(data), []
    while cursor.at < len(data):
        found.append(cursor.varint())
    return found


def digest_bytes(field: str, digest: str) -> bytes:
    """A hex digest as raw bytes. Raises InputError where it is not hex."""
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) < 8 or raw.hex() != digest:
        raise InputError(
            field, digest, "is not a lower-case hex digest", "send at least 16 hex digits"
        )
    return raw


_latest_decoder = msgspec.msgpack.Decoder(LatestRecord)


def pack_latest(record: LatestRecord) -> bytes:
    """A newest answer as MessagePack: one row a vehicle, so plain rather than small."""
    return msgspec.msgpack.encode(record)


def unpack_latest(data: bytes) -> LatestRecord:
    """What ``pack_latest`` packed."""
    return _latest_decoder.decode(data)
