"""Made-up sample files, one for every source: `python tests/data/make_samples.py [folder]`.

Nothing here is measured. The files carry the publishers' layouts and their traps: sentinels,
columns named twice, missing SoC, odd dates, a gap, a time that restarts, a complex impedance.
"""

import csv
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import polars as pl
from scipy import io as scipy_io

ROWS = 120
START = datetime(2026, 3, 1, 8, 30)  # noqa: DTZ001
"""All dated samples begin here, in the file's own zone."""
PACK_AH, CELL_AH = 60.0, 3.0


def drive(rows: int = ROWS, step: float = 1.0, size: float = 1.0) -> dict[str, np.ndarray]:
    """A drive of a pack (``size`` 1) or a scaled one: current negative while driving."""
    t = np.arange(rows) * step
    current = size * (-25.0 + 20.0 * np.sin(t / 7.0) + 4.0 * np.sin(t / 1.7))
    charge = np.concatenate([[0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * step)]) / 3600
    soc = 0.8 + charge / (PACK_AH * size)
    return {
        "t": t,
        "i": current,
        "v": 350.0 + 40.0 * soc + 0.1 * current / size,
        "soc": soc,
        "ah": charge,
        "speed": 12.0 + 6.0 * np.sin(t / 11.0),
        "temp": 20.0 + t / 600.0,
    }


def cell(rows: int = ROWS, step: float = 1.0) -> dict[str, np.ndarray]:
    """The same drive of one cell of `CELL_AH`."""
    d = drive(rows, step, CELL_AH / PACK_AH)
    return d | {"v": 3.3 + 0.8 * d["soc"] + 0.03 * d["i"]}


def write_rows(path: Path, header: list[str], rows: list[list[Any]], **options: Any) -> None:
    """A CSV file with Windows line ends only where asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = options.pop("encoding", "utf-8")
    with path.open("w", encoding=encoding, newline="") as file:
        lines = csv.writer(file, lineterminator=options.pop("end", "\n"), **options)
        lines.writerow(header)
        lines.writerows(rows)


def bmw_i3(folder: Path) -> None:
    """latin-1, `;`, a column named twice, SoC missing in the last ten samples."""
    d = drive(step=0.1)
    header = [
        "Time [s]",
        "Velocity [km/h]",
        "Elevation [m]",
        "Battery Voltage [V]",
        "Battery Current [A]",
        "Battery Temperature [°C]",
        "max. Battery Temperature [°C]",
        "SoC [%]",
        "displayed SoC [%]",
        "min. SoC [%]",
        "Heating Power CAN [kW]",
        "AirCon Power [kW]",
        "Ambient Temperature [°C]",
        "Temperature Vent right [°C]",
        "Temperature Vent right [°C]",
    ]
    rows = []
    for k in range(ROWS):
        soc = [f"{100 * d['soc'][k]:.2f}", f"{125 * d['soc'][k] - 12.5:.1f}"]
        if k >= ROWS - 10:
            soc = ["", ""]
        rows.append(
            [
                f"{d['t'][k]:.1f}",
                f"{3.6 * d['speed'][k]:.2f}",
                520,
                f"{d['v'][k]:.2f}",
                f"{d['i'][k]:.2f}",
                20,
                21,
                *soc,
                8,
                0.5,
                0.25,
                7.5,
                22,
                23,
            ]
        )
    write_rows(
        folder / "bmw_i3/trip.csv", header, rows, delimiter=";", encoding="latin-1", end="\r\n"
    )
    trips = []
    for number in (1, 2):
        d = drive(ROWS * number)
        trips.append(
            pl.DataFrame(
                {
                    "trip_id": [f"Trip{number}"] * len(d["t"]),
                    "time_s": d["t"].astype("f4"),
                    "speed_kmh": 3.6 * d["speed"],
                    "voltage_V": d["v"],
                    "current_A": d["i"],
                    "temperature_C": d["temp"],
                    "soc": d["soc"],
                    "soc_displayed": 1.25 * d["soc"] - 0.125,
                    "heater_power_kW": np.full(len(d["t"]), 0.5),
                }
            )
        )
    pl.concat(trips).write_parquet(folder / "bmw_i3/trips_1hz.parquet")
    pl.DataFrame(
        {"trip_id": ["Trip1", "Trip2"], "start_time": [START, START + timedelta(days=30)]}
    ).write_parquet(folder / "bmw_i3/trips.parquet")


def ev_pack(folder: Path) -> None:
    """Discharge positive; 66.5 V, 255, 511 for no value; probes +40 degC; odometer 0; 119 degC."""
    d = drive(step=10.0, size=2.0)
    header = [
        "tboxTime",
        "BMSChargeStatus",
        "vehSpeed",
        "BMSBatteryVoltage",
        "BMSCellVoltageMax",
        "BMSCellVoltageMin",
        "BMSBatteryCurrent",
        "vehBMSPackSOC",
        "BMSProbeTempMax",
        "BMSProbeTempMin",
        "BMSWarningInformation",
        "vehOdo",
        "insulationResistance",
        "V_1",
        "BMSProbeTempM",
        "T_1",
    ]
    rows = []
    for k in range(ROWS):
        stamp = START + timedelta(seconds=float(d["t"][k]))
        high = 66.5 if k in (3, 4) else 3.9
        hot = 119 if k == 7 else 24
        probe = {5: 255, 6: 511}.get(k, 62)
        odometer = 0 if k == 9 else 1000.5
        rows.append(
            [
                stamp.isoformat(" "),
                3.0,
                f"{3.6 * d['speed'][k]:.1f}",
                f"{d['v'][k]:.1f}",
                high,
                3.8,
                f"{-d['i'][k]:.1f}",
                f"{100 * d['soc'][k]:.0f}",
                hot,
                21,
                0,
                odometer,
                5.0,
                3.85,
                probe,
                probe,
            ]
        )
    rows.append(rows[-1])  # the last sample came twice
    write_rows(folder / "ev_pack/car.csv", header, rows)
    frame = pl.DataFrame(
        {
            "timestamp": [START + timedelta(seconds=float(t)) for t in d["t"]],
            "speed_kmh": 3.6 * d["speed"],
            "voltage_V": d["v"],
            "current_A": d["i"],
            "soc": d["soc"],
            "temperature_max_C": [24.0] * ROWS,
            "temperature_min_C": [20.0] * ROWS,
            "odometer_km": [0.0] + [1000.5] * (ROWS - 1),
        }
    )
    frames = [frame.select(pl.lit(f"EVfault-car{n}").alias("vehicle_id"), pl.all()) for n in (2, 3)]
    pl.concat(frames).write_parquet(folder / "ev_pack/packs.parquet")


def nasa(folder: Path) -> None:
    """A charge that begins with -4 A, a sample of 8.39 V, both prints of a date, impedance."""
    rows: list[list[Any]] = []
    for k in range(ROWS):
        current = -4.0 if k == 1 else 1.5
        voltage = 8.39 if k == 60 else 3.6 + 0.004 * k
        rows.append([voltage, current, 24.5, 1.5, 4.9, 2.5 * k])
    names = ["Voltage_measured", "Current_measured", "Temperature_measured"]
    write_rows(
        folder / "nasa/00001.csv", [*names, "Current_charge", "Voltage_charge", "Time"], rows
    )
    rows = [[4.1 - 0.01 * k, -2.0, 25.0, 2.0, 3.0, 9.4 * k] for k in range(ROWS)]
    write_rows(folder / "nasa/00002.csv", [*names, "Current_load", "Voltage_load", "Time"], rows)
    header = ["Sense_current", "Battery_current", "Current_ratio", "Battery_impedance"]
    rows = [["(929.0-49.5j)", "(227.3-68.1j)", "(3.8+0.9j)", "(0.22+0.04j)"]] * 5
    write_rows(folder / "nasa/00003.csv", header, rows)
    columns = "type,start_time,ambient_temperature,battery_id,test_id,uid,filename,Capacity,Re,Rct"
    first = "[2026.       3.       1.       8.      29.      60.0]"
    second = "[2.0260e+03 3.0000e+00 1.0000e+00 9.0000e+00 3.0000e+01 1.7921e+01]"
    rows = [
        ["charge", first, 22, "B9001", 0, 1, "00001.csv", "", "", ""],
        ["discharge", second, 22, "B9001", 1, 2, "00002.csv", 1.9, "", ""],
        ["impedance", second, 22, "B9001", 2, 3, "00003.csv", "", "(0.05+0.01j)", 0.07],
    ]
    write_rows(folder / "nasa/metadata.csv", columns.split(","), rows)
    frames = [
        pl.DataFrame(
            {
                "cell_id": ["B9001"] * ROWS,
                "test_id": [test] * ROWS,
                "step": ["discharge"] * ROWS,
                "time_s": np.arange(ROWS) * 9.4,
                "current_A": [-2.0] * ROWS,
                "voltage_V": 4.1 - 0.01 * np.arange(ROWS),
                "temperature_C": [25.0] * ROWS,
            }
        )
        for test in (0, 1)
    ]
    pl.concat(frames).write_parquet(folder / "nasa/B9001.parquet")
    pl.DataFrame(
        {
            "cell_id": ["B9001", "B9001", "B9002"],
            "test_id": [0, 1, 1],
            "start_time": [START, START + timedelta(hours=2), START + timedelta(days=9)],
            "ambient_temperature_C": [4, 4, 43],
        }
    ).write_parquet(folder / "nasa/cycles.parquet")


def lg(folder: Path) -> None:
    """Dates to the second; a gap of 416 s; a test its publisher excludes."""
    d = cell()
    rows = [
        [
            (START + timedelta(seconds=int(t))).isoformat(" "),
            t / 60,
            t,
            round(v, 5),
            round(i, 5),
            24.0,
            round(q, 6),
        ]
        for t, v, i, q in zip(d["t"], d["v"], d["i"], d["ah"], strict=True)
    ]
    header = (
        "Timestamp,Time [min],Time [s],Voltage [V],Current [A],Temperature [degC],Capacity [Ah]"
    )
    write_rows(folder / "lg/test.csv", header.split(","), rows)
    tests = ["25degC_551_Mixed1", "-10degC_602_Mixed4", "40degC_562_Mixed4"]
    gap = np.where(d["t"] >= 60.0, 416.0, 0.0)
    write_tests(folder / "lg", d, tests, [0 * gap, gap, 0 * gap], ["", "", "ran at 23 degC"])


def write_tests(
    folder: Path,
    d: dict[str, np.ndarray],
    tests: list[str],
    shifts: list[np.ndarray],
    exclude: list[str],
) -> None:
    """The Parquet form of a bench: many tests in one file, and `tests.parquet` beside it."""
    frames = []
    for test, shift in zip(tests, shifts, strict=True):
        frame = {
            "test_id": [test] * len(d["t"]),
            "time_s": d["t"] + shift,
            "current_A": d["i"],
            "voltage_V": d["v"],
            "temperature_C": d["temp"],
            "Ah_counter": d["ah"],
            "soc": d["soc"],
        }
        if folder.name == "panasonic":
            frame["chamber_temperature_C"] = [None] * len(d["t"])
        frames.append(pl.DataFrame(frame, schema_overrides={"chamber_temperature_C": pl.Float32}))
    folder.mkdir(parents=True, exist_ok=True)
    pl.concat(frames).write_parquet(folder / "tests_1hz.parquet")
    days = [START + timedelta(days=k) for k in range(len(tests))]
    ambient = [25] * len(tests)
    beside = {"test_id": tests, "start_time": days, "ambient_temperature_C": ambient}
    pl.DataFrame(beside | {"exclude": exclude}).write_parquet(folder / "tests.parquet")


def panasonic(folder: Path) -> None:
    """60 s steps, then 10 Hz; the chamber's temperature has lost its sign."""
    d = cell(step=0.1)
    times = np.concatenate([np.arange(6) * 60.0, 300.1 + d["t"]])
    stamps = [START + timedelta(seconds=float(t)) for t in times]
    rest = np.zeros(6)
    meas = {
        "TimeStamp": np.array([f"{s:%m/%d/%Y %I:%M:%S %p}" for s in stamps], dtype=object),
        "Voltage": np.concatenate([rest + 4.0, d["v"]]),
        "Current": np.concatenate([rest, d["i"]]),
        "Ah": np.concatenate([rest, d["ah"]]),
        "Power": np.concatenate([rest, d["v"] * d["i"]]),
        "Battery_Temp_degC": np.full(len(times), -9.5),
        "Time": times,
        "Chamber_Temp_degC": np.full(len(times), 10.0),
    }
    (folder / "panasonic").mkdir(parents=True, exist_ok=True)
    scipy_io.savemat(folder / "panasonic/test.mat", {"meas": meas}, do_compression=True)
    write_tests(folder / "panasonic", cell(), ["n10degC_HWFET"], [np.zeros(ROWS)], [""])


def calce(folder: Path) -> None:
    """An Info sheet and two Channel sheets; in the Parquet form a cycle whose time restarts."""
    book = openpyxl.Workbook()
    book.active.title = "Info"
    book.active.append(["", "", "", "TEST REPORT"])
    header = [
        "Data_Point",
        "Test_Time(s)",
        "Date_Time",
        "Step_Index",
        "Cycle_Index",
        "Current(A)",
        "Voltage(V)",
    ]
    for sheet in (0, 1):
        page = book.create_sheet(f"Channel_1-008_{sheet + 1}")
        page.append(header)
        for k in range(sheet * 60, sheet * 60 + 60):
            seconds = 30.0 * (k + 1)
            stamp = START + timedelta(seconds=30.0 * k)
            page.append([k + 1, seconds, stamp, 1, 1, 0.55, 3.4 + 0.005 * k])
    (folder / "calce").mkdir(parents=True, exist_ok=True)
    book.save(folder / "calce/CS2_90.xlsx")
    time = np.concatenate([np.arange(80) * 30.0 + 5000.0, np.arange(40) * 30.0 + 10.0])
    pl.DataFrame(
        {
            "cell_id": ["CS2_90"] * ROWS,
            "cycle": [1] * ROWS,
            "step": [2] * ROWS,
            "time_s": time,
            "current_A": [0.55] * ROWS,
            "voltage_V": 3.4 + 0.005 * np.arange(ROWS),
            "step_time_s": time,
        }
    ).write_parquet(folder / "calce/CS2_90.parquet")


def bdf(folder: Path) -> None:
    """By labels (CSV) and by machine-readable names (Parquet)."""
    d = cell()
    unix = (START - datetime(1970, 1, 1)).total_seconds() + d["t"]  # noqa: DTZ001
    rows = [
        [t, round(v, 5), round(i, 5), u, 25.0]
        for t, v, i, u in zip(d["t"], d["v"], d["i"], unix, strict=True)
    ]
    header = ["Test Time / s", "Voltage / V", "Current / A", "Unix Time / s"]
    write_rows(folder / "bdf/cell.bdf.csv", [*header, "Ambient Temperature / degC"], rows)
    pl.DataFrame(
        {"test_time_second": d["t"], "voltage_volt": d["v"], "current_ampere": d["i"]}
    ).write_parquet(folder / "bdf/cell.bdf.parquet")


def reference_trip(folder: Path) -> None:
    """Discharge positive, kW; SoC a fraction."""
    d = drive()
    power = -d["v"] * d["i"] / 1000
    energy = np.cumsum(power) / 3600
    columns = [d["t"], d["speed"], power, d["soc"], energy, d["v"], -d["i"], d["temp"]]
    rows = [[round(float(x), 5) for x in row] for row in zip(*columns, strict=True)]
    header = "time_s,speed_mps,power_kw,soc,energy_kwh,voltage_V,current_A,temperature_C"
    write_rows(folder / "reference_trip/tripdata.csv", header.split(","), rows)


def own(folder: Path) -> None:
    """Two vehicles in one CSV; the same trip as Parquet, NDJSON and Arrow; an unknown column."""
    d = drive()
    stamps = [f"{START + timedelta(seconds=float(t)):%Y-%m-%dT%H:%M:%S}Z" for t in d["t"]]
    rows = [
        [vehicle, "b1", "t1", stamp, round(v, 3), round(i, 3), round(s, 5), "x"]
        for vehicle in ("van-1", "van-2")
        for stamp, v, i, s in zip(stamps, d["v"], d["i"], d["soc"], strict=True)
    ]
    header = [
        "vehicle_id",
        "battery_id",
        "trip_id",
        "timestamp",
        "voltage_v",
        "current_a",
        "soc",
        "comment",
    ]
    write_rows(folder / "own/two_vehicles.csv", header, rows)
    one = pl.DataFrame(rows, schema=header, orient="row").filter(pl.col("vehicle_id") == "van-1")
    one = one.with_columns(time_s=pl.Series(d["t"]), speed_mps=pl.Series(d["speed"]))
    one.write_parquet(folder / "own/trip.parquet")
    one.write_csv(folder / "own/trip.csv")
    one.write_ipc(folder / "own/trip.arrow")
    lines = [json.dumps(row) for row in one.iter_rows(named=True)]
    (folder / "own/trip.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")


MAKERS = (bmw_i3, ev_pack, nasa, lg, panasonic, calce, bdf, reference_trip, own)


def write(folder: Path) -> None:
    """All samples into ``folder``."""
    for make in MAKERS:
        make(folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
