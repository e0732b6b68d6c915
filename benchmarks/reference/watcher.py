"""The reference's file watcher: looks every 10 s, features by pandas, posts to its API, archives.

``python -m benchmarks.reference.watcher FOLDER PORT``. Unlike the description it keeps running,
leaves dot-files alone and keeps its connection: its best variant.
"""

import http.client
import json
import sys
import time
from pathlib import Path

from benchmarks.reference.features import features

POLL_S = 10.0
CAPACITY_AH = 144.0


def request_of(path: Path) -> dict[str, float | str]:
    """The fields of the API from a trip file."""
    found = features(path, CAPACITY_AH)
    warm = found["temperature_max_degc"] - found["temperature_min_degc"]
    return {
        "vehicle_id": path.stem.partition("_")[0],
        "discharge_time_s": found["duration_s"],
        "voltage_drop_time_s": found["duration_s"] / 2.0,
        "delta_T_C": warm,
        "avg_current": found["current_mean_a"],
        "avg_voltage": found["voltage_mean_v"],
        "current_std": found["current_std_a"],
        "voltage_std": found["voltage_std_v"],
        "mean_max_temp": found["temperature_max_degc"],
        "dod": 100.0 * found["soc_span"],
        "voltage_V_mean": found["voltage_mean_v"],
        "current_A_mean": found["current_mean_a"],
        "temperature_C_mean": found["temperature_mean_degc"],
        "temperature_C_max": found["temperature_max_degc"],
    }


def look(folder: Path, port: int) -> int:
    """Take what lies in incoming/ now; returns how many files."""
    archive = folder / "archive"
    archive.mkdir(exist_ok=True)
    paths = sorted((folder / "incoming").glob("[!.]*.csv"))
    for path in paths:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        body = json.dumps(request_of(path))
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        if reply.status != 200:
            raise RuntimeError(f"{path.name}: {text[:200]!r}")
        path.rename(archive / path.name)
    return len(paths)


if __name__ == "__main__":
    while True:
        look(Path(sys.argv[1]), int(sys.argv[2]))
        time.sleep(POLL_S)
