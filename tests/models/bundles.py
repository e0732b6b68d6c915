"""Made-up programs, one of each kind, and bundles of them."""

import io
import zipfile
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evitals.estimators.program.builders import (
    Asinh,
    Branches,
    Gru,
    Layer,
    Lstm,
    Scaling,
    circuit,
    filter_fnn,
    fnn,
    gru,
    lstm,
    residual,
    static_table,
)
from evitals.estimators.program.program import Input, Node, Output, Program
from evitals.models import archive, manifest
from evitals.models.bundle import About, pack
from evitals.models.card import Card, Source
from evitals.models.manifest import DataFile, FileInfo, Lineage, Manifest, Metric, Step

INPUTS = (
    Input("soc", "1", 0.0, 1.0),
    Input("current_a", "A", -20.0, 6.0),
    Input("temperature_degc", "degC", -20.0, 40.0),
)
STEPS = Step(1.0, 0.1, 60.0)
ONE_STEP = Step(1.0, 1.0, 1.0)
CARD = Card(
    title="A made-up model",
    purpose="For tests.",
    limits=("Knows no real cell.",),
    sources=(Source(title="Nothing", citation="Nobody (2026)", doi="10.1/x", licence="CC BY 4.0"),),
)


def _scaled(count: int) -> Scaling:
    return Scaling(np.linspace(0.05, 0.2, count), np.linspace(-0.1, 0.1, count))


@cache
def programs(seed: int = 0) -> dict[str, Program]:
    """One of each kind by its name; every operation occurs."""
    draw = np.random.default_rng(seed)

    def some(*shape: int) -> NDArray[np.float64]:
        return draw.normal(0.0, 0.3, shape)

    soc, degc = np.linspace(0.0, 1.0, 11), np.array([-20.0, 0.0, 25.0, 40.0])
    ocv = np.repeat(3.0 + 1.2 * soc[:, None], 4, axis=1)
    ohm = np.abs(some(11, 4)) / 10.0
    branches = Branches(np.abs(some(4, 11, 4)) / 20.0, [3.0, 30.0, 300.0, 1500.0])
    head = [Layer(some(8, 16), some(8)), Layer(some(1, 8), [3.6])]
    cell = Lstm(some(64, 3), some(64, 16), some(64), some(64))
    gated = Gru(some(48, 3), some(48, 16), some(48), some(48))
    small = [Layer(some(8, 3), some(8)), Layer(some(1, 8) / 5.0, [0.0])]
    bank = [Layer(some(16, 10), some(16)), Layer(some(1, 16), [3.6])]
    plain = circuit(soc, degc, ocv[:, 0], ohm, branches, ocv_soc=soc, inputs=INPUTS)
    found = [
        static_table(soc, degc, ocv, ohm, inputs=INPUTS),
        plain,
        circuit(soc, degc, ocv, ohm, branches, asinh=Asinh(ohm, 0.5), inputs=INPUTS),
        filter_fnn(
            bank, [1, 3, 10, 30, 100, 300], 0.5, scaling=_scaled(10), activation="tanh",
            inputs=INPUTS,
        ),
        fnn([Layer(some(16, 3), some(16)), *head], scaling=_scaled(3), inputs=INPUTS),
        lstm([cell], head, 1.0, scaling=_scaled(3), inputs=INPUTS),
        gru([gated], head, 1.0, scaling=_scaled(3), inputs=INPUTS),
        residual(plain, fnn(small, inputs=INPUTS)),
        _hysteresis(soc, 0.03 + 0.01 * seed),
    ]  # fmt: skip
    return {program.kind: program for program in found}


def _hysteresis(soc: NDArray[np.float64], size_v: float) -> Program:
    """What no builder makes: hysteresis, affine."""
    return Program(
        "hysteretic",
        INPUTS,
        (
            Node("table1d", "ocv", ("soc",), ("knots", "values")),
            Node("hysteresis", "h", ("current_a",), (), {"rate": 1e-3}),
            Node("affine", "shift", ("h",), ("scale", "offset")),
            Node("add", "v", ("ocv", "shift")),
        ),
        {
            "knots": soc.astype(np.float32),
            "values": (3.0 + 1.2 * soc[:, None]).astype(np.float32),
            "scale": np.array([size_v], np.float32),
            "offset": np.array([0.1], np.float32),
        },
        Output("voltage_v", "V", "v"),
    )


def about(program: Program, version: str = "1.0.0", **changes: Any) -> About:
    """What a bundle of a made-up program says."""
    said = About(
        id="made-up",
        version=version,
        level="cell",
        chemistry="NMC",
        cell="Made Up 18650",
        reference_capacity_ah=3.0,
        output_low=2.5,
        output_high=4.3,
        step=STEPS if program.step_s is None else ONE_STEP,
        metrics=(
            Metric(name="rmse", value=0.0123, unit="V", on="UDDS", baseline=0.0524,
                   baseline_name="static table"),
        ),
        lineage=Lineage(job="job_1", seed=3, files=(DataFile("Mixed1.csv", "0" * 64, "train"),)),
    )  # fmt: skip
    return msgspec.structs.replace(said, **changes)


@cache
def made(kind: str = "filter_fnn", version: str = "1.0.0", seed: int = 0) -> bytes:
    """A bundle; its graph is written by hand where that is not asked for (tests without onnx)."""
    program = programs(seed)[kind]
    return pack(program, about(program, version), CARD, graph=b"not looked at without onnx")


def rewritten(data: bytes, **changes: Any) -> bytes:
    """A bundle with a manifest that says something else and a digest that fits."""
    files = archive.unpack(data)
    said = manifest.read(files["manifest.json"])
    files["manifest.json"] = manifest.encode(
        manifest.sealed(msgspec.structs.replace(said, **changes))
    )
    return archive.pack(files)


def replaced(data: bytes, files: Mapping[str, bytes | None]) -> bytes:
    """A bundle with other files (None: without one), manifest and digest made to fit."""
    there = {**archive.unpack(data), **files}
    kept = {name: content for name, content in there.items() if content is not None}
    said = msgspec.json.decode(kept["manifest.json"], type=Manifest)
    listed: dict[str, FileInfo] = {
        name: manifest.digest_of(content)
        for name, content in kept.items()
        if name not in ("manifest.json", "signature.json")
    }
    kept["manifest.json"] = manifest.encode(
        manifest.sealed(msgspec.structs.replace(said, files=listed))
    )
    return archive.pack(kept)


def zipped(files: list[tuple[str, bytes]], **how: Any) -> bytes:
    """A zip as any other program writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **how) as file:
        for name, content in files:
            file.writestr(name, content)
    return out.getvalue()
