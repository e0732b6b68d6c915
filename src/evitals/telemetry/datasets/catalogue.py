"""The public data sets that evitals knows, each with its publisher's own words on how to cite it.

Licences are "understood to be": read the publisher's page before you pass data on. No checksum
stands here that the publisher does not give: where a listing exists it is asked, elsewhere the
first download is recorded (docs/data.md).
"""

import difflib

from evitals.errors import InputError
from evitals.telemetry.datasets.dataset import Dataset, PublishedFile, Reading

_MENDELEY = "https://data.mendeley.com/public-api/datasets/"
_CALCE = "https://web.calce.umd.edu/batteries/data/"

_DATASETS = (
    Dataset(
        id="lg_18650hg2",
        title="LG 18650HG2: drive cycles, HPPC, C/20 at -20 to 40 degC, one new cell",
        cell="LG 18650HG2",
        chemistry="NMC",
        citation=(
            "P. Kollmeyer, C. Vidal, M. Naguib, M. Skells (2020), LG 18650HG2 Li-ion Battery Data "
            "and Example Deep Neural Network xEV SOC Estimator Script, Mendeley Data V3, "
            "doi:10.17632/cp3473x7xv.3"
        ),
        doi="10.17632/cp3473x7xv.3",
        licence="understood to be CC BY 4.0",
        homepage="https://data.mendeley.com/datasets/cp3473x7xv/3",
        listing=_MENDELEY + "cp3473x7xv",
        wanted=r"\d{3}_\w+\.(mat|csv)|LG_HG2_Original_Dataset\w*\.zip",
        readings=(
            Reading(
                source="lg_18650hg2",
                sampling="as the cycler recorded it (parsed CSV)",
                pattern=r"(?:^|/)\d{3}_(?P<profile>\w+?)(?:_parsed|_processed)?\.csv$",
            ),
            Reading(
                source="panasonic_18650pf",  # the same laboratory's struct `meas`
                sampling="as the cycler recorded it (.mat)",
                pattern=r"(?:^|/)\d{3}_(?P<profile>\w+)\.mat$",
            ),
            Reading(
                source="lg_18650hg2_parquet",
                sampling="decimated: the first sample of each second, not averaged; the current "
                "integrates to the counter within 0.112 Ah, so soc is the counter's",
                sidecar="tests.parquet",
            ),
        ),
        capacity_ah=2.78,
        starts_full=r"UDDS|LA92|US06|HWFET|Mixed\d|HPPC|Dis_\w+|Cap_1C|C20\w*",
        notes=(
            "SoC counts on 2.78 Ah (C/20 at 25 degC) from a full start",
            "tests labelled 40 degC with number 562 ran at about 23 degC: left out",
        ),
    ),
    Dataset(
        id="panasonic_18650pf",
        title="Panasonic NCR18650PF: drive cycles, HPPC, C/20 at -20 to 25 degC, one ageing cell",
        cell="Panasonic NCR18650PF",
        chemistry="NCA",
        citation=(
            "P. Kollmeyer (2018), Panasonic 18650PF Li-ion Battery Data, Mendeley Data V1, "
            "doi:10.17632/wykht8y7tg.1"
        ),
        doi="10.17632/wykht8y7tg.1",
        licence="understood to be CC BY 4.0",
        homepage="https://data.mendeley.com/datasets/wykht8y7tg/1",
        listing=_MENDELEY + "wykht8y7tg",
        wanted=r".+\.mat|Panasonic 18650PF Data\.zip",
        readings=(
            Reading(
                source="panasonic_18650pf",
                sampling="as the cycler recorded it (.mat)",
                pattern=r"(?:^|/)(?:[\d-]+_[\d.]+ )?(?:n?\d+degC_)?(?P<profile>[^/]+?)"
                r"(?:_Pan18650PF)?\.mat$",
            ),
            Reading(
                source="panasonic_18650pf_parquet",
                sampling="averaged: the mean over each second of the 10 Hz record",
                sidecar="tests.parquet",
            ),
        ),
        capacity_ah=2.9,
        starts_full=r"UDDS|LA92|US06|HWF\w+|Cycle_\d|NN|trise\w*",
        notes=(
            "SoC counts on the nominal 2.9 Ah from a full start; the cell aged from 2.8 to 2.3 Ah, "
            "warm tests first, so late tests are biased: their profile begins with trise_",
            "the chamber's temperature is unsigned in the source and is not read",
        ),
    ),
    Dataset(
        id="nasa_pcoe",
        title="NASA PCoE: 34 cells of 2 Ah cycled to end of life at 4 to 44 degC",
        cell="18650, 2 Ah (NASA PCoE)",
        chemistry="NCA",
        citation=(
            "B. Saha and K. Goebel (2007), Battery Data Set, NASA Prognostics Data Repository, "
            "NASA Ames Research Center, Moffett Field, CA"
        ),
        doi=None,
        licence="understood to be public domain (work of the US Government); no licence text",
        homepage="https://www.nasa.gov/intelligent-systems-division/discovery-and-systems-health/"
        "pcoe/pcoe-data-set-repository/",
        files=(
            PublishedFile(
                "5. Battery Data Set.zip",
                "https://phm-datasets.s3.amazonaws.com/NASA/5.+Battery+Data+Set.zip",
            ),
        ),
        readings=(
            Reading(
                source="nasa_mat",
                sampling="as recorded, irregular (2.7 to 18.7 s)",
                pattern=r"(?P<cell>B\d{4})\.mat$",
            ),
            Reading(
                source="nasa_pcoe",
                sampling="as recorded, irregular (2.7 to 18.7 s)",
                sidecar="metadata.csv",
            ),
            Reading(
                source="nasa_pcoe_parquet",
                sampling="as recorded, irregular (2.7 to 18.7 s); rounded to 0.1 mV, 0.1 mA, 1 ms",
                sidecar="cycles.parquet",
            ),
        ),
        notes=("no SoC; impedance tests are left out", "a charge can end at its 3 h limit"),
    ),
    Dataset(
        id="calce_cs2",
        title="CALCE CS2: prismatic LCO cells of 1.1 Ah cycled at 1C, room temperature",
        cell="CALCE CS2",
        chemistry="LCO",
        citation=(
            "CALCE Battery Research Group, University of Maryland, Battery Data, CS2 cells "
            "(the publisher asks to cite its papers too: see the homepage)"
        ),
        doi=None,
        licence="no licence stated by the publisher: ask before passing data on",
        homepage="https://calce.umd.edu/battery-data",
        files=tuple(
            PublishedFile(f"CS2_{n}.zip", f"{_CALCE}CS2_{n}.zip") for n in (35, 36, 37, 38)
        ),
        readings=(
            Reading(
                source="calce_arbin",
                sampling="as the cycler recorded it, about every 30 s",
                pattern=r"(?P<cell>CS2_\d{2})_[\d_]+\.xlsx$",
                profile="ageing at 1C",
            ),
            Reading(
                source="calce_parquet",
                sampling="as the cycler recorded it, about every 30 s",
                profile="ageing at 1C",
            ),
        ),
        notes=(
            "no temperature and no SoC",
            "workbooks split some cycles at their borders",
            "CS2_35 holds 50 cycles twice (837 to 886 are 887 to 936): imported once",
        ),
    ),
)


def catalogue() -> dict[str, Dataset]:
    """Every known data set by its id."""
    return {one.id: one for one in _DATASETS}


def dataset(dataset_id: str) -> Dataset:
    """The data set of this id. Raises InputError naming the nearest and all others."""
    known = catalogue()
    if dataset_id in known:
        return known[dataset_id]
    near = difflib.get_close_matches(dataset_id, known, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(
        "dataset",
        dataset_id,
        "is not a known data set",
        f"{hint}known: {', '.join(known)}",
        reason="unknown_dataset",
    )
