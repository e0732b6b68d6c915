"""The reference's two models: boosted trees over made-up rows, and the same trees as ONNX.

SoH: 300 trees over nine numbers of a discharge; SoP: 400 trees over four. What they predict is
made up and does not matter here; how large they are does.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import xgboost
from onnx import TensorProto, helper

from benchmarks.requests import columns

SOH_FEATURES = (
    "discharge_time_s", "voltage_drop_time_s", "delta_T_C", "avg_current", "avg_voltage",
    "current_std", "voltage_std", "mean_max_temp", "dod",
)  # fmt: skip
SOP_FEATURES = ("voltage_V_mean", "current_A_mean", "temperature_C_mean", "temperature_C_max")
MODELS = {"soh": (SOH_FEATURES, 300), "sop": (SOP_FEATURES, 400)}


def made_up_rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Made-up requests as a table."""
    return pd.DataFrame(columns(count, seed))


def train(folder: Path, rows: int = 4000) -> None:
    """Write soh.json and sop.json (xgboost's own format) into ``folder``."""
    table = made_up_rows(rows)
    rng = np.random.default_rng(1)
    charge = -table["avg_current"] * table["discharge_time_s"] / 3600.0
    targets = {
        "soh": charge * 100.0 / table["dod"] + rng.normal(0.0, 0.02, rows),
        "sop": 1e4 * table["voltage_V_mean"] * (1.0 - 0.01 * table["temperature_C_max"])
        + rng.normal(0.0, 200.0, rows),
    }
    for name, (features, trees) in MODELS.items():
        model = xgboost.XGBRegressor(
            n_estimators=trees, max_depth=6, learning_rate=0.05, n_jobs=1, tree_method="hist"
        )
        model.fit(table[list(features)], targets[name])
        model.save_model(folder / f"{name}.json")


def load(folder: Path, name: str) -> xgboost.XGBRegressor:
    """A trained model, on one thread."""
    model = xgboost.XGBRegressor()
    model.load_model(folder / f"{name}.json")
    model.set_params(n_jobs=1)
    return model


def as_onnx(model: xgboost.XGBRegressor) -> bytes:
    """The same trees as an ONNX graph: float input "x" (n, features), output "y" (n, 1)."""
    booster = model.get_booster()
    names = {name: k for k, name in enumerate(booster.feature_names or ())}
    nodes: dict[str, Any] = {key: [] for key in NODE_KEYS}
    for tree, text in enumerate(booster.get_dump(dump_format="json")):
        _add(json.loads(text), tree, names, nodes)
    config = json.loads(booster.save_config())
    base = json.loads(config["learner"]["learner_model_param"]["base_score"])
    base_value = float(base[0] if isinstance(base, list) else base)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[base_value],
        **nodes,
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(names)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    domains = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=domains, ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


NODE_KEYS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
    "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true",
    "target_treeids", "target_nodeids", "target_ids", "target_weights",
)  # fmt: skip


def _add(node: dict[str, Any], tree: int, names: dict[str, int], out: dict[str, list[Any]]) -> None:
    """Append a node and those below it to the flat lists that ONNX wants."""
    leaf = "leaf" in node
    out["nodes_treeids"].append(tree)
    out["nodes_nodeids"].append(node["nodeid"])
    out["nodes_featureids"].append(0 if leaf else names[node["split"]])
    out["nodes_values"].append(0.0 if leaf else float(node["split_condition"]))
    out["nodes_modes"].append("LEAF" if leaf else "BRANCH_LT")
    out["nodes_truenodeids"].append(0 if leaf else node["yes"])
    out["nodes_falsenodeids"].append(0 if leaf else node["no"])
    out["nodes_missing_value_tracks_true"].append(int(not leaf and node["missing"] == node["yes"]))
    if leaf:
        out["target_treeids"].append(tree)
        out["target_nodeids"].append(node["nodeid"])
        out["target_ids"].append(0)
        out["target_weights"].append(float(node["leaf"]))
        return
    for child in node["children"]:
        _add(child, tree, names, out)


def as_row(request: dict[str, Any], features: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """A request's numbers as one row, shape (1, features)."""
    return np.array([[request[name] for name in features]], dtype=np.float32)
