"""FASTSim 3 (NREL): the vehicle's energy by another program, as oracle and as engine of a trip.

``drive`` takes what ``road.drive`` takes, as far as FASTSim 3.1 knows it: the density of its air
does not follow the temperature, there is no wind, regeneration is its own rule (motor efficiency
at zero load). Needs the extra ``fastsim``.
"""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evitals.errors import InputError, MissingExtra
from evitals.twin.road import Drive
from evitals.twin.vehicle import TwinVehicle

Floats = NDArray[np.float64]
TEMPLATE = "2022_Renault_Zoe_ZE50_R135.yaml"
WHEELS = 4
LARGE_J, LARGE_W = 3.6e9, 1e7
"""A battery that never limits: the pack's own limits are the twin's business."""
BATTERY_W = "veh.pt_type.BEV.res.history.pwr_out_electrical_watts"
SPEED_MPS = "veh.history.speed_ach_meters_per_second"


def module() -> Any:
    """The package fastsim. Raises MissingExtra with the line that installs it."""
    try:
        return import_module("fastsim")
    except ImportError:
        raise MissingExtra("fastsim") from None


def shipped() -> dict[str, Any]:
    """Every electric car FASTSim ships, by the name of its file, as FASTSim reads it."""
    vehicle = module().Vehicle
    files = sorted(str(path) for path in vehicle.list_resources())
    found = {name: vehicle.from_resource(name) for name in files}
    return {name: read for name, read in found.items() if read.veh_type() == "BEV"}


def twin_of(read: Any, vehicle_id: str, cell: str = "nmc811-lgm50") -> TwinVehicle:
    """FASTSim's vehicle as one of ours, with its motor map and its way of reading it."""
    data = read.to_dict(flatten=False)
    chassis, train = data["chassis"], data["pt_type"]["BEV"]
    motor = train["em"]["eff_interp_achieved"]
    load = motor["data"]["grid"][0]["data"]
    mass = float(data["mass_kilograms"])
    return TwinVehicle(
        vehicle_id=vehicle_id,
        cell=cell,
        mass_kg=mass,
        drag_coefficient=chassis["drag_coef"],
        frontal_area_m2=chassis["frontal_area_square_meters"],
        rolling_resistance=chassis["wheel_rr_coef"],
        wheel_inertia_kgm2=chassis["wheel_inertia_kilogram_square_meters"] * chassis["num_wheels"],
        wheel_radius_m=chassis["wheel_radius_meters"],
        motor_power_w=train["em"]["pwr_out_max_watts"],
        traction_force_n=1e6,
        driven_share=chassis["drive_axle_weight_frac"],
        tyre_friction=chassis["wheel_fric_coef"],
        motor_load=tuple(load),
        motor_efficiency=tuple(motor["data"]["values"]["data"]),
        motor_steps=motor["strategy"] != "Linear",
        transmission_efficiency=train["transmission"]["eff_interp"],
        auxiliary_power_w=data["pwr_aux_base_watts"],
        pack_mass_kg=0.2 * mass,
        ac_charge_power_w=7000.0,
        source=f"FASTSim: {data['name']}",
    )


def fastsim_of(car: TwinVehicle, soc: float, payload_kg: float, always_w: float) -> Any:
    """Our vehicle as FASTSim's, with a battery that never limits it."""
    vehicle = module().Vehicle
    data = vehicle.from_resource(TEMPLATE).to_dict(flatten=False)
    train, load = data["pt_type"]["BEV"], np.asarray(car.motor_load)
    efficiency = np.asarray(car.motor_efficiency)
    for key, grid in (
        ("eff_interp_achieved", load),
        ("eff_interp_at_max_input", load / efficiency),
    ):
        tables = train["em"][key]["data"]
        tables["grid"] = [_array(grid)]
        tables["values"] = _array(efficiency)
    train["em"]["pwr_out_max_watts"] = car.motor_power_w
    train["transmission"]["eff_interp"] = car.transmission_efficiency
    train["res"] |= {"energy_capacity_joules": LARGE_J, "pwr_out_max_watts": LARGE_W}
    train["res"] |= {"min_soc": 0.0, "max_soc": 1.0}
    train["res"]["state"]["soc"] = min(max(soc, 0.1), 0.9)
    data["chassis"] |= {
        "drag_coef": car.drag_coefficient,
        "frontal_area_square_meters": car.frontal_area_m2,
        "wheel_rr_coef": car.rolling_resistance,
        "wheel_inertia_kilogram_square_meters": car.wheel_inertia_kgm2 / WHEELS,
        "num_wheels": WHEELS,
        "wheel_radius_meters": car.wheel_radius_m,
        "wheel_fric_coef": car.tyre_friction,
        "drive_axle_weight_frac": car.driven_share,
        "glider_mass_kilograms": None,
        "cargo_mass_kilograms": None,
    }
    data["mass_kilograms"] = car.mass_kg + payload_kg
    data["pwr_aux_base_watts"] = always_w
    return vehicle.from_dict(data)


def simulate(read: Any, time_s: Floats, speed_mps: Floats, grade: Floats | None = None) -> Drive:
    """One run of FASTSim (``run_once``) over a speed trace (n,), missed speeds allowed.

    Raises InputError where FASTSim gives up: 3.1 does when braking exceeds the motor's power.
    """
    fastsim = module()
    cycle = fastsim.Cycle.from_dict(
        {
            "time_seconds": time_s.tolist(),
            "speed_meters_per_second": speed_mps.tolist(),
            "grade": [0.0] * time_s.size if grade is None else grade.tolist(),
        }
    )
    data = fastsim.SimDrive(read, cycle).to_dict(flatten=False)
    data["sim_params"]["trace_miss_opts"] = "Allow"
    simulation = fastsim.SimDrive.from_dict(data)
    try:
        simulation.run_once()
    except (RuntimeError, ValueError) as error:
        said = str(error).partition("Stack backtrace")[0].strip().splitlines()
        problem = f"gave up: {said[-1].strip(' ]')}"
        raise InputError("engine", "fastsim", problem, "use the engine twin") from error
    table = simulation.to_dataframe()
    power = -np.nan_to_num(table[BATTERY_W].to_numpy())
    reached = np.nan_to_num(table[SPEED_MPS].to_numpy())
    miss = np.maximum(speed_mps - reached, 0.0)
    late = np.diff(time_s, prepend=time_s[0])[miss > 0.01]
    return Drive(power, reached, float(miss.max()), float(late.sum()))


def drive(
    car: TwinVehicle,
    time_s: Floats,
    speed_mps: Floats,
    *,
    grade: Floats | None = None,
    payload_kg: float = 0.0,
    soc: float = 0.5,
    always_w: Floats | float | None = None,
) -> Drive:
    """As ``road.drive`` with FASTSim's own rule of regeneration; auxiliaries as their mean."""
    always = car.auxiliary_power_w if always_w is None else float(np.mean(always_w))
    return simulate(fastsim_of(car, soc, payload_kg, always), time_s, speed_mps, grade)


def _array(values: Floats) -> dict[str, Any]:
    """FASTSim's way of writing an array."""
    return {"v": 1, "dim": [values.size], "data": values.tolist()}
