"""The reference's prediction service: Flask, a pandas row, two tree models, connect-insert-commit.

``REFERENCE_HOME`` names the folder of soh.json, sop.json and fleet.db. In its favour: models on
one thread, the database in WAL mode, a patient lock, no debug mode.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
from flask import Flask, Response, jsonify, request

from benchmarks.reference import trees

DATABASE = "fleet.db"
RATED_POWER_W = 50_000.0
LOCK_PATIENCE_S = 30.0


def prepare(folder: Path) -> None:
    """Make the database where there is none."""
    with closing(sqlite3.connect(folder / DATABASE)) as store, store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute(
            "CREATE TABLE IF NOT EXISTS health_records (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            "vehicle_id TEXT NOT NULL, timestamp DATETIME DEFAULT CURRENT_TIMESTAMP, "
            "predicted_soh REAL, predicted_sop REAL, health_score REAL, status TEXT)"
        )


def remember(path: Path, answer: dict[str, Any]) -> None:
    """One row, one connection, one commit."""
    with closing(sqlite3.connect(path, timeout=LOCK_PATIENCE_S)) as store, store:
        store.execute(
            "INSERT INTO health_records "
            "(vehicle_id, predicted_soh, predicted_sop, health_score, status) "
            "VALUES (:vehicle_id, :predicted_soh, :predicted_sop, :health_score, :status)",
            answer,
        )


def status_of(score: float) -> str:
    """The reference's thresholds."""
    if score >= 0.8:
        return "Priority_Maintenance"
    return "Monitor" if score >= 0.5 else "Healthy"


def create_app() -> Flask:
    """The app that gunicorn's workers load."""
    folder = Path(os.environ["REFERENCE_HOME"])
    soh, sop = trees.load(folder, "soh"), trees.load(folder, "sop")
    app = Flask("reference")

    def alive() -> str:
        return "ok"

    def predict() -> Response:
        body = request.get_json()
        row = pd.DataFrame([body])
        health = float(soh.predict(row[list(trees.SOH_FEATURES)])[0])
        power = float(sop.predict(row[list(trees.SOP_FEATURES)])[0])
        score = (1.0 - health) + (1.0 - power / RATED_POWER_W)
        answer = {
            "vehicle_id": body["vehicle_id"],
            "predicted_soh": health,
            "predicted_sop": power,
            "health_score": score,
            "status": status_of(score),
        }
        remember(folder / DATABASE, answer)
        return jsonify(answer)

    app.add_url_rule("/", view_func=alive)
    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app
