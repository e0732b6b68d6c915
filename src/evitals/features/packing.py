"""Features in few bytes: rounding, and a packed form that loses nothing of the rounded values.

Layout: one bit a feature (set where the value differs from the feature's default), then the values
of the set ones in the order of ``FEATURES``, little endian, in their packed form.
"""

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.features import kernel
from evitals.features.definitions import FEATURES, INDEX

Vector = NDArray[np.float32]

SIZE = len(FEATURES)
_BITMAP = (SIZE + 7) // 8
_FORMS = {f: np.array([k for k, x in enumerate(FEATURES) if x.form == f]) for f in
          ("f3", "f2", "u2", "u1", "--")}  # fmt: skip
_BYTES = np.array([{"f3": 3, "f2": 2, "u2": 2, "u1": 1, "--": 0}[f.form] for f in FEATURES])
_STORED = _BYTES > 0
_USED = np.arange(4) < _BYTES[:, None]
"""Which of a value's four bytes its form keeps."""
_DEFAULTS = np.array([f.default for f in FEATURES], dtype=np.float32)
_DEFAULT_NAN = np.isnan(_DEFAULTS)
_STEP = {"u2": 2e-5, "u1": 1 / 254}
_TOP = {"u2": 65534, "u1": 254}
ROUNDING = (
    np.array([{"f2": 1, "u2": 2, "u1": 2}.get(f.form, 0) for f in FEATURES], dtype=np.int8),
    np.array([_STEP.get(f.form, 1.0) for f in FEATURES]),
    np.array([float(_TOP.get(f.form, 1)) for f in FEATURES]),
)
"""Forms, steps and tops as ``kernel.round_off`` takes them."""

_NET, _IN, _OUT = (INDEX[n] for n in ("net_charge_ah", "charge_in_ah", "charge_out_ah"))
_SPAN, _LOW, _HIGH = (INDEX[n] for n in ("soc_span", "soc_min", "soc_max"))


def rounded(values: NDArray[np.float64]) -> Vector:
    """Float32 features rounded to what their packed form keeps; derived ones follow from those."""
    out = np.empty(SIZE, dtype=np.float32)
    kernel.round_off(values, *ROUNDING, out, out.view(np.uint32))
    return out


def pack(vector: Vector) -> bytes:
    """A rounded vector (from ``extract``) in bytes; ``unpack`` gives it back bit for bit.

    Raises InputError for a vector of another length.
    """
    if vector.shape != (SIZE,):
        raise InputError("features", vector.shape, f"is not ({SIZE},)", "use features.extract")
    missing = np.isnan(vector)
    same = np.where(_DEFAULT_NAN, missing, vector == _DEFAULTS)
    present = _STORED & ~same
    wide = np.zeros((SIZE, 4), dtype=np.uint8)
    k = _FORMS["f3"]
    wide[k, :3] = vector[k].astype("<f4").view(np.uint8).reshape(-1, 4)[:, 1:]
    k = _FORMS["f2"]
    wide[k, :2] = vector[k].astype("<f2").view(np.uint8).reshape(-1, 2)
    k = _FORMS["u2"]
    wide[k, :2] = _codes(vector[k], "u2").astype("<u2").view(np.uint8).reshape(-1, 2)
    k = _FORMS["u1"]
    wide[k, 0] = _codes(vector[k], "u1")
    keep = present[:, None] & _USED
    return np.packbits(present).tobytes() + wide[keep].tobytes()


def unpack(data: bytes) -> Vector:
    """The vector that was packed.

    Raises InputError for bytes that are no packed vector.
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    present = np.unpackbits(raw[:_BITMAP], count=SIZE).astype(bool) if raw.size >= _BITMAP else None
    if present is None or raw.size - _BITMAP != int(_BYTES[present].sum()):
        raise InputError(
            "features", len(data), "bytes are no packed features", "rebuild them from the recording"
        )
    wide = np.zeros((SIZE, 4), dtype=np.uint8)
    wide[present[:, None] & _USED] = raw[_BITMAP:]
    values = np.zeros(SIZE, dtype=np.float32)
    k = _FORMS["f3"]
    whole = np.zeros((len(k), 4), dtype=np.uint8)
    whole[:, 1:] = wide[k, :3]
    values[k] = whole.view("<f4").ravel()
    k = _FORMS["f2"]
    values[k] = np.ascontiguousarray(wide[k, :2]).view("<f2").ravel()
    k = _FORMS["u2"]
    values[k] = _scaled(np.ascontiguousarray(wide[k, :2]).view("<u2").ravel(), "u2")
    k = _FORMS["u1"]
    values[k] = _scaled(wide[k, 0], "u1")
    out = np.where(present, values, _DEFAULTS).astype(np.float32)
    return _derived(out)


def _codes(values: Vector, form: str) -> NDArray[np.int64]:
    top = _TOP[form]
    scaled = np.rint(values.astype(np.float64) / _STEP[form])
    return np.where(np.isnan(scaled), top + 1, np.clip(scaled, 0, top)).astype(np.int64)


def _scaled(codes: NDArray[np.generic], form: str) -> Vector:
    values = codes.astype(np.float64) * _STEP[form]
    return np.where(codes.astype(np.int64) > _TOP[form], np.nan, values).astype(np.float32)


def _derived(out: Vector) -> Vector:
    out[_NET] = out[_IN] - out[_OUT]
    out[_SPAN] = out[_HIGH] - out[_LOW]
    return out
