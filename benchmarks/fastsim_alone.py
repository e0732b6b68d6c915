"""FASTSim drives UDDS, in a Python of its own: it pins polars 1, beside which ours does not run.

Reads how often to drive from each line of standard input, answers the CPU seconds a ``run_once``.
"""

import sys
import time

import fastsim

VEHICLE, CYCLE = "2022_Renault_Zoe_ZE50_R135.yaml", "udds.csv"


def cpu_s(runs: int) -> float:
    """CPU seconds a drive; making the drive (some microseconds) is not counted."""
    vehicle, cycle = fastsim.Vehicle.from_resource(VEHICLE), fastsim.Cycle.from_resource(CYCLE)
    spent = 0.0
    for _ in range(runs):
        drive = fastsim.SimDrive(vehicle, cycle)
        begun = time.process_time()
        drive.run_once()
        spent += time.process_time() - begun
    return spent / runs


if __name__ == "__main__":
    for line in sys.stdin:
        print(cpu_s(int(line)), flush=True)
