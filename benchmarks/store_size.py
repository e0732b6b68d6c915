"""Bytes the store takes per 1,000 predictions: ``python benchmarks/store_size.py``.

100,000 trips of 1,000 vehicles, interleaved in random order, 20 trips a file, one vehicle a
batch, as a fleet's uploads come in. Writes ``results/store_size.json``.
"""

import argparse
import hashlib
import json
import random
import tempfile
import time
from pathlib import Path

from evitals.fleet.open import open_store
from evitals.fleet.records import (
    Batch,
    FileRecord,
    LatestRecord,
    ModelRecord,
    PredictionRecord,
    TripRecord,
    VehicleRecord,
)

RESULTS = Path(__file__).parent / "results"

START_S = 1_760_000_000
MODEL = ModelRecord(name="assessor", version="1", digest="5e" * 32)
FINDINGS = ((), (), (), ("gap",), ("stuck_sensor",), ("gap", "soc_jump"))
REASONS = ((), (), ("no_rest",), ("no_rest", "low_delta_soc"), ("cold",))


def made_up_trip(
    rng: random.Random, vehicle: str, number: int, event_s: int, digest_bytes: int, features: int
) -> TripRecord:
    """A trip whose features are incompressible noise of a real trip's length."""
    digest = hashlib.sha256(f"{vehicle}/{number}".encode()).hexdigest()[: 2 * digest_bytes]
    return TripRecord(
        vehicle_id=vehicle,
        battery_id="1",
        digest=digest,
        sequence=number % 20,
        kind=rng.choice(("drive", "drive", "charge", "rest")),
        event_s=event_s,
        event_assumed=False,
        continues=rng.random() < 0.5,
        duration_s=float(rng.randrange(300, 9000)),
        source="bdf",
        file_name=f"{vehicle}-week-{number // 20:04}.parquet",
        findings=rng.choice(FINDINGS),
        features=rng.randbytes(features + rng.randrange(-10, 11)),
    )


def made_up_answer(rng: random.Random, trip: TripRecord, delay_s: int) -> PredictionRecord:
    """An answer with every number known but the OCV's, which half of them have."""
    soh = rng.uniform(0.7, 1.0)
    below, above = rng.uniform(0.01, 0.04), rng.uniform(0.01, 0.04)
    return PredictionRecord(
        vehicle_id=trip.vehicle_id,
        battery_id=trip.battery_id,
        trip_digest=trip.digest,
        event_s=trip.event_s,
        scored_s=(trip.event_s or 0) + delay_s,
        kind=trip.kind,
        soh=soh,
        soh_low=soh - below,
        soh_high=soh + above,
        capacity_bms_ah=62 * soh,
        capacity_ocv_ah=61 * soh if rng.random() < 0.5 else None,
        resistance_growth=rng.uniform(1.0, 1.9),
        reference_sop_w=rng.uniform(6e4, 125e3),
        risk_score=rng.uniform(0.0, 0.9),
        status="Healthy" if soh > 0.8 else "Monitor",
        evidence_count=rng.randrange(3, 400),
        reasons=rng.choice(REASONS),
        model=MODEL,
    )


def newest(answer: PredictionRecord) -> LatestRecord:
    """The fleet row of an answer."""
    return LatestRecord(
        prediction=answer,
        rated_power_w=125e3,
        reference_capacity_ah=62.0,
        group="north",
        soc=0.55,
        temperature_degc=21.5,
        live_sop={
            f"{way}_{s}s": {"power_w": 84_210.5, "limit": "voltage"}
            for way in ("discharge", "charge")
            for s in (2, 10, 30)
        },
    )


def fill(folder: Path, args: argparse.Namespace) -> list[dict[str, object]]:
    """Write the fleet and return each table's size."""
    rng = random.Random(7)
    store = open_store(folder)
    vehicles = [f"vehicle-{k:04}" for k in range(args.vehicles)]
    uploads = [
        (v, n) for v in vehicles for n in range(args.trips // args.vehicles // args.per_file)
    ]
    # Weeks come in order, vehicles of a week in any order.
    uploads.sort(key=lambda u: u[1] + rng.random())
    futures = []
    for vehicle, week in uploads:
        first = week * args.per_file
        trips = [
            made_up_trip(
                rng, vehicle, n, START_S + n * 30_000 + rng.randrange(20_000),
                args.digest_bytes, args.feature_bytes,
            )
            for n in range(first, first + args.per_file)
        ]  # fmt: skip
        answers = [made_up_answer(rng, t, rng.randrange(600, 700_000)) for t in trips]
        name = trips[0].file_name
        record = FileRecord(
            digest=hashlib.sha256(name.encode()).hexdigest(), name=name, state="stored", reason="",
            size_bytes=90_000, received_s=START_S, vehicle_id=vehicle, trips=len(trips),
        )  # fmt: skip
        described = VehicleRecord(
            vehicle_id=vehicle, battery_id="1", description={"k": "v"}, described_s=1
        )
        batch = Batch(
            files=(record,), vehicles=(described,), trips=tuple(trips),
            predictions=tuple(answers), latest=(newest(answers[-1]),),
        )  # fmt: skip
        futures.append(store.submit(batch))
        if len(futures) == 100:
            for future in futures:
                future.result()
            futures.clear()
    for future in futures:
        future.result()
    sizes = store.sizes()
    store.close()
    return [
        {
            "table": s.table,
            "part": s.part,
            "rows": s.rows,
            "kb_per_1000": round(s.bytes / args.trips, 1),
        }
        for s in sizes
    ]


def main() -> None:
    """Fill a store, print and keep its shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=100_000)
    parser.add_argument("--vehicles", type=int, default=1000)
    parser.add_argument("--per-file", type=int, default=20)
    parser.add_argument("--digest-bytes", type=int, default=16)
    parser.add_argument("--feature-bytes", type=int, default=112)
    parser.add_argument(
        "--out", type=Path, default=RESULTS / Path(__file__).with_suffix(".json").name
    )
    args = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tables = fill(Path(folder), args)
    parts: dict[str, float] = {}
    for row in tables:
        share = float(str(row["kb_per_1000"]))
        parts[str(row["part"])] = round(parts.get(str(row["part"]), 0.0) + share, 1)
        print(f"{row['table']:14}{row['part']:12}{row['rows']:>9,}{share:9.1f} KB per 1,000")
    print(parts, f"{args.trips / (time.perf_counter() - began):,.0f} predictions/s")
    settings = {k: v for k, v in vars(args).items() if k != "out"}
    args.out.write_text(
        json.dumps({"settings": settings, "parts": parts, "tables": tables}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
