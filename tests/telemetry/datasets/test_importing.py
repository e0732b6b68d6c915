"""Imports from publishers' files, their archives and the Parquet form."""

import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import io as scipy_io

from evitals.errors import InputError, UnreadableFile
from evitals.telemetry.datasets import dataset, publisher
from evitals.telemetry.datasets.importing import import_folder
from evitals.telemetry.datasets.shelf import Shelf

ROWS = 50
TIME = np.arange(float(ROWS))
DIGATRON = "\n".join(
    ["Some cycler, made up", "Battery,none", "",
     "Time Stamp,Step,Status,Prog Time,Step Time,Cycle,Cycle Level,Procedure,Voltage,Current,"
     "Temperature,Capacity,WhAccu,Cnt,",
     ",,,,,,,,[V],[A],[C],[Ah],[Wh],[Cnt],",
     *(f"3/1/2026 8:30:00 AM,1,TABLE,{1 + k // 3600:02d}:{k // 60 % 60:02d}:{k % 60:02d}.100,"
       f"00:00:00.000,0,0,P,{4.1 - 0.01 * k:.4f},{-1.5 - 0.1 * k:.4f},21.5,{-0.01 * k:.5f},0,1,"
       for k in range(ROWS))]
)  # fmt: skip


def meas(folder: Path, name: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    column = {
        "Time": TIME, "Voltage": 4.0 - 0.01 * TIME, "Current": -1.0 - 0.1 * TIME,
        "Ah": -0.029 * TIME, "Battery_Temp_degC": np.full(ROWS, 24.0),
    }  # fmt: skip
    meas = {key: values.reshape(-1, 1) for key, values in column.items()}
    scipy_io.savemat(file, {"meas": meas})
    return file


def nasa(file: Path) -> Path:
    kinds = ("charge", "impedance", "discharge")
    cycles = np.zeros(
        3, dtype=[(n, object) for n in ("type", "ambient_temperature", "time", "data")]
    )
    for k, kind in enumerate(kinds):
        series = dict.fromkeys(publisher.NASA_COLUMNS, (TIME + 1.0) * (k + 1))
        series["Voltage_measured"] = np.linspace(3.5, 4.1 + 0.01 * k, ROWS)
        series["Current_measured"] = np.full(ROWS, 1.0 - k)
        data = {"Sense_current": np.ones(3)} if kind == "impedance" else series
        cycles[k] = (kind, 24.0, np.array([2008.0, 4.0, 2.0 + k, 13.0, 8.0, 17.9]), data)
    file.parent.mkdir(parents=True, exist_ok=True)
    scipy_io.savemat(file, {file.stem: {"cycle": cycles}})
    return file


def test_digatron_times_signs_and_soc(tmp_path: Path) -> None:
    raw = tmp_path / "raw" / "n10degC" / "596_UDDS.csv"
    raw.parent.mkdir(parents=True)
    raw.write_text(DIGATRON, encoding="latin-1")
    shelf = Shelf(tmp_path / "lg")
    done = import_folder(dataset("lg_18650hg2"), tmp_path / "raw", shelf)
    assert (done.files, done.added, done.known, done.skipped) == (1, 1, 0, [])
    (test,) = shelf.load(profiles=["UDDS"])
    assert (test.test_id, test.ambient_degc) == ("n10degC_596_UDDS", -10.0)
    assert test.columns["time_s"] == pytest.approx(TIME)
    assert test.columns["current_a"][:2] == pytest.approx([-1.5, -1.6])
    assert test.columns["soc"] == pytest.approx(1.0 - 0.01 * TIME / 2.78)
    assert shelf.index()["soc_from"].to_list() == ["counter from a full start, 2.78 Ah"]


@pytest.mark.parametrize(
    ("old", "new"), [("Prog Time,", "Prog time,"), ("01:00:03.100", "soon"), ("Voltage", "Volts")]
)
def test_a_digatron_file_of_another_make_is_refused(old: str, new: str) -> None:
    with pytest.raises(UnreadableFile, match=r"Digatron columns|no line of samples"):
        publisher.digatron(DIGATRON.replace(old, new).encode(), "551_UDDS.csv")


def test_matlab_of_one_test(tmp_path: Path) -> None:
    meas(tmp_path / "raw", "10degC/06-07-17_12.29 10degC_HWFET_Pan18650PF.mat")
    shelf = Shelf(tmp_path / "pan")
    import_folder(dataset("panasonic_18650pf"), tmp_path / "raw", shelf)
    (test,) = shelf.load()
    assert (test.profile, test.ambient_degc, test.cell) == (
        "HWFET", 10.0, "Panasonic NCR18650PF",
    )  # fmt: skip
    assert test.columns["soc"] == pytest.approx(1.0 - 0.01 * TIME)
    assert test.sampling == "as the cycler recorded it (.mat)"


def test_nasas_cycles_without_impedance_from_an_archive_in_an_archive(tmp_path: Path) -> None:
    file = nasa(tmp_path / "made" / "B0005.mat")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(file, "1. Ageing/B0005.mat")
    (tmp_path / "raw").mkdir()
    with zipfile.ZipFile(tmp_path / "raw" / "Data Set.zip", "w") as archive:
        archive.writestr("5. Set/1. Ageing.zip", inner.getvalue())
    shelf = Shelf(tmp_path / "nasa")
    done = import_folder(dataset("nasa_pcoe"), tmp_path / "raw", shelf)
    assert done.added == 2
    charge, discharge = shelf.load(cells=["B0005"])
    assert (charge.profile, discharge.profile) == ("charge", "discharge")
    assert discharge.ambient_degc == 24.0
    assert shelf.index()["start"][1].day == 4
    assert "soc" not in discharge.columns
    again = import_folder(dataset("nasa_pcoe"), tmp_path / "raw", shelf)
    assert (again.added, again.known) == (0, 2)


def test_what_cannot_be_read_is_named_and_stops_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    meas(raw, "10degC_NN_Pan18650PF.mat")
    (raw / "broken.mat").write_bytes(b"MATLAB 5.0 and then nothing")
    (raw / "other.csv").write_text("time_s,current_a,voltage_v\n0,1,3\n1,1,3\n")
    (raw / "bad.zip").write_bytes(b"PK\x03\x04 not at all")
    (raw / "notes.txt").write_text("hello")
    shelf = Shelf(tmp_path / "pan")
    done = import_folder(dataset("panasonic_18650pf"), raw, shelf)
    assert done.added == 1
    assert sorted(name for name, _ in done.skipped) == ["bad.zip", "broken.mat", "other.csv"]
    assert "is no file of panasonic_18650pf" in dict(done.skipped)["other.csv"]


def test_nothing_to_import(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        import_folder(dataset("lg_18650hg2"), tmp_path / "absent", Shelf(tmp_path))
    (tmp_path / "raw").mkdir()
    meas(tmp_path / "raw", "10degC_NN_Pan18650PF.mat")  # another set's file: its name tells
    with pytest.raises(InputError, match=r"holds no test of lg_18650hg2 .*look like"):
        import_folder(dataset("lg_18650hg2"), tmp_path / "raw", Shelf(tmp_path / "lg"))


@pytest.mark.parametrize("name", ["../out.mat", "/tmp/out.mat", "a/../../out.mat"])
def test_an_archive_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    file = tmp_path / "evil.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(UnreadableFile, match="leaves the folder"):
        publisher.unpack(file, tmp_path / "in" / "evil")
    assert not (tmp_path / "out.mat").exists()
    assert not (tmp_path / "in" / "out.mat").exists()


def test_an_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.mat", bytes(2_000_000))
    monkeypatch.setattr(publisher, "MAX_UNPACKED", 1_000_000)
    with pytest.raises(UnreadableFile, match="too many to unpack"):
        publisher.unpack(file, tmp_path / "in")


def test_a_changed_or_unknown_test_is_not_loaded(tmp_path: Path) -> None:
    meas(tmp_path / "raw", "10degC_NN_Pan18650PF.mat")
    shelf = Shelf(tmp_path / "pan")
    import_folder(dataset("panasonic_18650pf"), tmp_path / "raw", shelf)
    with pytest.raises(InputError, match="'UDDS' is on no test; there are NN"):
        shelf.load(profiles=["UDDS"])
    (file,) = (shelf.folder / "tests").glob("*.parquet")
    pl.read_parquet(file).with_columns(pl.col("voltage_v") + 0.01).write_parquet(file)
    with pytest.raises(InputError, match="the file was changed"):
        shelf.load()
    file.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        shelf.load()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "tests", "profiles"),
    [
        ("lg_18650hg2", "raw_samples/lg_18650hg2", 2, {"HWFET", "Cap_1C"}),
        ("panasonic_18650pf", "raw_samples/panasonic_18650pf", 1, {"HWFET"}),
        ("nasa_pcoe", "raw_samples/nasa_pcoe", 12, {"charge", "discharge"}),
        ("calce_cs2", "raw_samples/calce_arbin", 2, {"ageing at 1C"}),
        ("lg_18650hg2", "lg_18650hg2", 194, {"Mixed1", "HPPC", "C20DisCh"}),
        ("panasonic_18650pf", "panasonic_18650pf", 163, {"NN", "Cycle_1", "trise_Cycle_1"}),
    ],
)
def test_real_files(
    public_data: Path, tmp_path: Path, name: str, folder: str, tests: int, profiles: set[str]
) -> None:
    shelf = Shelf(tmp_path)
    done = import_folder(dataset(name), public_data / folder, shelf)
    assert (done.added, done.skipped) == (tests, [])
    assert profiles <= set(shelf.index()["profile"].to_list())
    drives = shelf.load(profiles=sorted(profiles))
    assert all(one.columns["time_s"][-1] > 100.0 for one in drives)
    if name == "lg_18650hg2" and tests > 2:
        assert not any("562" in one.test_id for one in drives)
        assert {one.cell for one in drives} == {"LG 18650HG2"}


@pytest.mark.data
def test_calce_holds_cycles_twice(public_data: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    done = import_folder(dataset("calce_cs2"), public_data / "calce_cs2", shelf)
    assert (done.added, done.known) == (1862, 50)
    assert {one.cell for one in shelf.load(cells=["CS2_36"])[:9]} == {"CS2_36"}
