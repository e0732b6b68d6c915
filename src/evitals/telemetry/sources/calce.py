"""CALCE CS2 cells (University of Maryland Battery Data Archive): Arbin workbooks, Parquet.

The workbook's sheet `Channel...` holds the samples and dates each one. In the Parquet form time
restarts with every workbook, so a cycle that crosses a border goes backward once: it is cut there.
"""

from evitals.telemetry.sources.source import Column, Source

SOURCES = [
    Source(
        name="calce_arbin",
        about="a CALCE Arbin workbook",
        shapes=["xlsx"],
        level="cell",
        stamp=["Date_Time"],
        required=["Test_Time(s)", "Date_Time", "Current(A)", "Voltage(V)"],
        columns={
            "Test_Time(s)": Column("time_s"),
            "Current(A)": Column("current_a"),
            "Voltage(V)": Column("voltage_v"),
        },
    ),
    Source(
        name="calce_parquet",
        about="the CALCE CS2 cells as Parquet",
        shapes=["parquet"],
        level="cell",
        part="cycle",
        vehicle="cell_id",
        required=["cell_id", "cycle", "step", "time_s", "current_A", "voltage_V", "step_time_s"],
        columns={
            "time_s": Column("time_s"),
            "current_A": Column("current_a"),
            "voltage_V": Column("voltage_v"),
        },
    ),
]
