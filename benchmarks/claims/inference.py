"""One row through the same 300 + 400 trees: onnxruntime beside xgboost fed with a pandas row."""

import numpy as np
import onnxruntime
import pandas as pd

from benchmarks.clocks import cpu_s
from benchmarks.reference import trees
from benchmarks.requests import columns
from benchmarks.result import Bar, Row, Scale, alternate

NAME = "inference"


def measure(scale: Scale) -> list[Row]:
    """CPU per row of both, after their answers were found equal."""
    trees.train(scale.folder, rows=scale.pick(4000, 1500))
    models = {name: trees.load(scale.folder, name) for name in trees.MODELS}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(
            trees.as_onnx(model), options, providers=["CPUExecutionProvider"]
        )
        for name, model in models.items()
    }
    request = {name: float(values[0]) for name, values in columns(1, seed=9).items()}

    def reference() -> list[float]:
        row = pd.DataFrame([request])
        return [
            float(models[n].predict(row[list(features)])[0])
            for n, (features, _) in trees.MODELS.items()
        ]

    def ours() -> list[float]:
        return [
            sessions[n].run(None, {"x": trees.as_row(request, features)})[0].item()
            for n, (features, _) in trees.MODELS.items()
        ]

    if not np.allclose(ours(), reference(), rtol=1e-5):
        raise AssertionError(f"not the same trees: {ours()} and {reference()}")
    mine, theirs = alternate(
        [
            lambda: 1e6 * cpu_s(ours, scale.pick(2000, 500)),
            lambda: 1e6 * cpu_s(reference, scale.pick(200, 50)),
        ],
        scale.runs,
    )
    return [
        Row(
            claim=NAME,
            quantity="CPU per row, both models",
            unit="us",
            ours=mine,
            reference=theirs,
            other="pandas row + xgboost",
            bar=Bar(of="ratio", bound=100.0),
            note="the same trees, answers equal to 1e-5; one thread each",
        )
    ]
