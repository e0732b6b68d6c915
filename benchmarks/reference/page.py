"""The reference's page in its best variant: a fragment that runs again every second.

Three numbers, a quadrant by Altair, a table of the worst. No cache, so that a value is seen as
soon as this way allows. Only the 200 worst rows go into the table: all of them would be slower.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

NEWEST = (
    "SELECT vehicle_id, predicted_soh, predicted_sop, health_score, status, MAX(id) AS newest "
    "FROM health_records GROUP BY vehicle_id"
)
WORST = 200


def fleet() -> None:
    """The whole page, drawn again every second."""
    with closing(sqlite3.connect(Path(os.environ["REFERENCE_HOME"]) / "fleet.db")) as store:
        table = pd.read_sql_query(NEWEST, store)
    left, middle, right = st.columns(3)
    left.metric("Vehicles", str(len(table)))
    left.metric("Round", str(len(table) - int(os.environ["REFERENCE_VEHICLES"])))
    middle.metric("Mean SoH", f"{table['predicted_soh'].mean():.3f}")
    right.metric("Attention", str(int((table["status"] != "Healthy").sum())))
    alt.data_transformers.disable_max_rows()
    chart = alt.Chart(table).mark_circle().encode(
        x="predicted_soh:Q", y="health_score:Q", color="status:N"
    )  # fmt: skip
    st.altair_chart(chart)
    st.dataframe(table.nlargest(WORST, "health_score"))


st.set_page_config(layout="wide")
st.fragment(fleet, run_every=1)()
