"""How a battery ages: published models of capacity fade and resistance growth, exact in time.

A model is data (``data/ageing``: law, parameters, source, fitted range, gaps); its equations are
in ``fade``. The result of constant conditions does not depend on how they are cut into steps.
"""

import difflib
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from evitals.errors import InputError
from evitals.twin import balance, cell, fade

Floats = NDArray[np.float64]
YEAR_S = 365.25 * 86_400.0
LEAST_SOH = 0.05
MODES_STEP = 0.002
USUAL_CELL = {"NMC": "nmc811-lgm50", "NCA": "nca-kim2011", "LFP": "lfp-prada2013"}
"""The OCV set that stands for a chemistry where no cell is named."""


class Fitted(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the tests behind a model lie: lowest and highest value of each condition."""

    temperature_degc: tuple[float, float]
    soc: tuple[float, float]
    dod: tuple[float, float]
    c_rate: tuple[float, float]


class Material(Struct, frozen=True, forbid_unknown_fields=True):
    """Active material that can be lost before capacity falls, and what its loss does to
    resistance: ``resistance_base + resistance_share / (1 + spare - lost)``."""

    spare: float
    resistance_base: float
    resistance_share: float


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A published ageing model. ``growth_per_loss`` stands in where it has no resistance."""

    law: str
    chemistry: Literal["NMC", "NCA", "LFP"]
    default: bool = False
    cell: str
    source: str
    growth_source: str
    gaps: list[str]
    fitted: Fitted
    parameters: dict[str, float]
    growth_per_loss: float = 0.0
    material: Material | None = None

    def __post_init__(self) -> None:
        names = fade.PARAMETERS.get(self.law)
        if names is None:
            known = ", ".join(fade.PARAMETERS)
            raise InputError("law", self.law, "is no law of ageing", f"use one of {known}")
        wrong = sorted(set(names) ^ set(self.parameters))
        if wrong:
            raise InputError(
                "parameters", wrong[0], f"does not fit law {self.law}", f"give {', '.join(names)}"
            )


@cache
def models() -> dict[str, Model]:
    """The ageing models that ship with the twin, by the name of their file."""
    folder = resources.files("evitals.twin") / "data" / "ageing"
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {name[:-5]: parse_model((folder / name).read_bytes()) for name in files}


def parse_model(text: bytes) -> Model:
    """A model from TOML. Raises InputError for text that does not describe one."""
    try:
        return msgspec.toml.decode(text, type=Model)
    except msgspec.DecodeError as error:
        raise InputError(
            "model", str(error), "does not describe an ageing model", "see docs/twin-ageing.md"
        ) from error


@cache
def model(name: str) -> Model:
    """A model by its file's name or, for the default of a chemistry, NMC, NCA or LFP.

    Raises InputError with the nearest names.
    """
    by_name = {m.chemistry: m for m in models().values() if m.default} | models()
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, cutoff=0.3) or list(by_name)
        raise InputError("ageing", name, "is no ageing model", f"use one of {', '.join(near)}")
    return by_name[name]


@cache
def kernel_parameters(name: str) -> tuple[int, Floats]:
    """Law and parameter vector of a model, as ``fade.after`` takes them."""
    chosen = model(name)
    vector = np.array([chosen.parameters[n] for n in fade.PARAMETERS[chosen.law]])
    vector.setflags(write=False)
    return fade.LAWS[chosen.law], vector


class Age(NamedTuple):
    """Losses as fractions of the new capacity, and the charge moved so far in full cycles.

    ``material`` is active material lost; ``growth_calendar`` and ``growth_cycle`` are resistance
    grown, as fractions of a new battery's.
    """

    calendar: float = 0.0
    cycle: float = 0.0
    efc: float = 0.0
    material: float = 0.0
    growth_calendar: float = 0.0
    growth_cycle: float = 0.0


@dataclass(frozen=True, slots=True)
class Knee:
    """Fade that turns steep: from a loss ``at`` on it runs ``slope`` times as fast.

    The smooth broken line of Bacon & Watts (1971), which Fermin-Cueto et al. 2020 (Energy and AI
    1, 100006) fit to knees: ``loss + (slope - 1) width ln(1 + exp((loss - at) / width))``. It acts
    on the loss, not on time: so it is exact whatever the steps.
    """

    at: float
    slope: float = 4.0
    width: float = 0.005

    def __post_init__(self) -> None:
        if not (0.0 < self.at < 1.0 and self.slope >= 1.0 and 0.0 < self.width < 1.0):
            raise InputError(
                "knee", (self.at, self.slope, self.width), "is no knee",
                "give a loss and a width between 0 and 1 and a slope of 1 or more",
            )  # fmt: skip

    def bent(self, loss: float) -> float:
        """The loss with the knee in it; 0 stays 0."""
        return loss + (self.slope - 1.0) * self.width * (
            math.log1p(math.exp(min((loss - self.at) / self.width, 700.0)))
            - math.log1p(math.exp(-self.at / self.width))
        )


@dataclass(frozen=True, slots=True)
class Ageing:
    """One vehicle's own ageing: a model, factors on its losses and growth, new capacity, knee.

    ``pace`` multiplies the losses of constant conditions, ``growth_pace`` the resistance grown;
    ``new_soh`` is the new capacity over the reference. Raises InputError for an unknown model or
    a factor that is not positive.
    """

    model: str = "NMC"
    pace: float = 1.0
    growth_pace: float = 1.0
    new_soh: float = 1.0
    knee: Knee | None = None

    def __post_init__(self) -> None:
        model(self.model)
        for name in ("pace", "growth_pace", "new_soh"):
            value = getattr(self, name)
            if not 0.0 < value < 100.0:
                raise InputError(name, value, "is no factor", "give one above 0 and below 100")

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, model: str = "NMC", knee: Knee | None = None
    ) -> "Ageing":
        """A pace drawn for one vehicle: log-normal, a fifth wide; new capacity 0.98 to 1.02."""
        return cls(
            model=model,
            pace=float(np.exp(rng.normal(0.0, 0.2))),
            growth_pace=float(rng.uniform(0.6, 1.4)),
            new_soh=float(rng.uniform(0.98, 1.02)),
            knee=knee,
        )

    def after(
        self,
        age: Age,
        seconds: float,
        temperature_degc: float,
        soc: float,
        efc: float,
        dod: float = 0.5,
        c_rate: float = 0.2,
    ) -> Age:
        """The age after ``seconds`` at constant conditions with ``efc`` full cycles in them.

        ``efc`` is charge moved over twice the new capacity, ``dod`` the swing of SoC, ``c_rate``
        the mean size of the current over the new capacity while it flows, as in the tests behind
        the equations (BLAST-Lite itself takes the mean with the rests: give that to repeat it).
        Raises InputError for time or charge that runs backward or is not a number.
        """
        if not (seconds >= 0.0 and efc >= 0.0):
            raise _backward(seconds, efc)
        laws = self._laws()
        moved = fade.after(age[:], *laws, seconds, temperature_degc, soc, efc, dod, c_rate)
        return Age._make(moved)

    def through(
        self,
        age: Age,
        seconds: Floats,
        temperature_degc: Floats,
        soc: Floats,
        efc: float,
        dod: float = 0.5,
        c_rate: float = 0.2,
    ) -> Age:
        """The age after stretches of ``seconds`` (n,) at temperatures and SoC (n,).

        Rates are averaged over the time, as BLAST-Lite does over a day. Raises InputError.
        """
        if not (seconds.size and np.all(seconds >= 0.0) and efc >= 0.0):
            raise _backward(seconds, efc)
        laws = self._laws()
        moved = fade.through(age[:], *laws, seconds, temperature_degc, soc, efc, dod, c_rate)
        return Age._make(moved)

    def through_days(
        self,
        age: Age,
        seconds: Floats,
        temperature_degc: Floats,
        soc: Floats,
        efc: Floats,
        dod: Floats,
        c_rate: Floats,
    ) -> Age:
        """``through`` for n days one after the other: conditions (n, m), each day's use (n,)."""
        if not (seconds.size and np.all(seconds >= 0.0) and np.all(efc >= 0.0)):
            raise _backward(seconds.sum(), float(efc.sum()))
        laws = self._laws()
        moved = fade.through_days(age[:], *laws, seconds, temperature_degc, soc, efc, dod, c_rate)
        return Age._make(moved)

    def _laws(self) -> tuple[int, Floats, float, float]:
        """What ``fade`` wants to know of this battery."""
        return *kernel_parameters(self.model), self.pace, self.growth_pace

    def loss(self, age: Age) -> float:
        """Capacity lost, as a fraction of the new one: of lithium or, where worse, of material."""
        lost = age.calendar + age.cycle
        material = model(self.model).material
        if material is not None:
            lost = max(lost, age.material - material.spare)
        return lost if self.knee is None else self.knee.bent(lost)

    def soh(self, age: Age) -> float:
        """Capacity over the reference capacity."""
        return max(self.new_soh * (1.0 - self.loss(age)), LEAST_SOH)

    def growth(self, age: Age) -> float:
        """Resistance over that of a new battery."""
        chosen = model(self.model)
        grown = 1.0 + age.growth_calendar + age.growth_cycle
        grown += self.growth_pace * chosen.growth_per_loss * self.loss(age)
        if chosen.material is None:
            return grown
        left = max(1.0 + chosen.material.spare - age.material, LEAST_SOH)
        by_material = chosen.material.resistance_base + chosen.material.resistance_share / left
        return max(grown, by_material)

    def modes(self, age: Age, cell_name: str | None = None) -> balance.Balance:
        """Lost lithium inventory, negative and positive active material, as fractions of new.

        The state of health is master: the lithium lost is what leaves just that capacity in the
        cell (without a name the usual one of the chemistry), in steps of ``MODES_STEP`` so that
        tables of OCV can be shared. The publications behind the models do not separate modes:
        all loss is booked as lithium, but for the material of a model that has it.
        """
        chosen = model(self.model)
        electrodes = cell.electrodes(cell_name or USUAL_CELL[chosen.chemistry])
        left = max(1.0 - self.loss(age), balance.LEAST_CAPACITY)
        left = round(round(left / MODES_STEP) * MODES_STEP, 6)
        material = 0.0
        if chosen.material is not None:
            material = min(max(age.material - chosen.material.spare, 0.0), 1.0 - left)
        return balance.for_capacity(electrodes, left, round(material / 0.005) * 0.005, 0.0)


def _backward(seconds: object, efc: float) -> InputError:
    return InputError("seconds, efc", (seconds, efc), "run backward", "give numbers from 0 up")
