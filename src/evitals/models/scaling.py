"""Scaling of a model's inputs: fitted on training data only, folded into the first layer.

``x' = (x - offset) / scale`` a column. A folded model takes physical units, so no scaler travels
beside it and none can be forgotten.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from evitals.errors import InputError

Array = NDArray[np.float64]
Kind = Literal["standard", "minmax"]

LEAST_SPREAD = 1e-9
"""A column whose spread is below this share of its size carries nothing to scale."""


class Scaling(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was fitted: ``offset`` and ``scale`` in each column's own unit, in the order of names.

    ``standard``: mean and standard deviation; ``minmax``: lowest value and range (scaled to 0..1).
    """

    kind: Kind
    columns: tuple[str, ...]
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.columns) == len(self.offset) == len(self.scale):
            raise _wrong(self.columns, "differ in number from offset or scale", "give one a column")
        for name, offset, scale in zip(self.columns, self.offset, self.scale, strict=True):
            if not (np.isfinite(offset) and np.isfinite(scale) and scale > 0.0):
                raise _wrong((offset, scale), f"is no scaling of {name}", "fit it anew")

    def apply(self, matrix: ArrayLike) -> Array:
        """Scaled columns, shape (n, columns) as ``matrix``."""
        return (np.asarray(matrix, dtype=np.float64) - self.offset) / self.scale

    def undo(self, matrix: ArrayLike) -> Array:
        """Physical units from scaled columns, shape (n, columns)."""
        return np.asarray(matrix, dtype=np.float64) * self.scale + self.offset


def fit(parts: Sequence[Mapping[str, Array]], columns: Sequence[str], kind: Kind) -> Scaling:
    """The scaling of ``columns`` over all samples of ``parts``, each sample weighing alike.

    Callers pass training data only (``evitals.models.prepared`` holds it). Raises InputError
    where there is no sample, where a value is not finite, and for a constant column.
    """
    if not parts or not sum(len(part[columns[0]]) for part in parts if columns):
        raise _wrong(len(parts), "holds no sample to fit on", "give training data")
    offsets, scales = [], []
    for name in columns:
        values = np.concatenate([part[name] for part in parts])
        if not np.isfinite(values).all():
            raise _wrong(name, "holds values that are not finite", "repair or drop them")
        low, high = float(values.min()), float(values.max())
        if high - low <= LEAST_SPREAD * max(abs(low), abs(high), LEAST_SPREAD):
            raise InputError(
                name,
                low,
                "is constant over the whole training data, so a model learns nothing from it",
                "leave it out of the inputs, or train on data where it varies",
                reason="constant_column",
            )
        if kind == "standard":
            offsets.append(float(values.mean()))
            scales.append(float(values.std()))
        else:
            offsets.append(low)
            scales.append(high - low)
    return Scaling(kind=kind, columns=tuple(columns), offset=tuple(offsets), scale=tuple(scales))


def fold(weights: ArrayLike, bias: ArrayLike, scaling: Scaling) -> tuple[Array, Array]:
    """Weights (out, in) and bias (out,) that take physical units instead of scaled columns.

    ``W ((x - m) / s) + b = (W / s) x + (b - (W / s) m)``: the first dense layer, or the input
    weights of an LSTM or GRU (out = its gates). Float64; raises InputError for other shapes.
    """
    wide, flat = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    if wide.ndim != 2 or wide.shape[1] != len(scaling.columns) or flat.shape != wide.shape[:1]:
        raise _wrong(
            f"{wide.shape} and {flat.shape}",
            f"are no weights and bias of {len(scaling.columns)} scaled inputs",
            "give (out, in) and (out,) in the order of the scaling's columns",
        )
    folded = wide / np.asarray(scaling.scale)
    return folded, flat - folded @ np.asarray(scaling.offset)


def fold_output(weights: ArrayLike, bias: ArrayLike, scaling: Scaling) -> tuple[Array, Array]:
    """Weights (out, in) and bias (out,) of a last layer that answers in physical units."""
    wide, flat = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    if wide.ndim != 2 or flat.shape != wide.shape[:1] or len(flat) != len(scaling.columns):
        raise _wrong(
            f"{wide.shape} and {flat.shape}",
            f"are no weights and bias of {len(scaling.columns)} scaled outputs",
            "give (out, in) and (out,) in the order of the scaling's columns",
        )
    scale = np.asarray(scaling.scale)
    return wide * scale[:, None], flat * scale + np.asarray(scaling.offset)


def _wrong(value: object, problem: str, remedy: str) -> InputError:
    return InputError("scaling", value, problem, remedy, reason="scaling")
