"""Rows as a table on the terminal and as JSON."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.result import Row, spread

HEAD = ("claim", "quantity", "unit", "ours (lowest-highest)", "other way", "ratio", "bar", "")


def table(rows: Sequence[Row]) -> str:
    """Rows as aligned text, notes beneath."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEAD))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
            for line in lines]  # fmt: skip
    text.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"- {row.claim}, {row.quantity}: {row.note}" for row in rows if row.note]
    return "\n".join([*text, "", *notes])


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows with what follows from their runs."""
    return [
        msgspec.to_builtins(row)
        | {
            "median": row.median,
            "spread": spread(row.ours),
            "reference_median": statistics.median(row.reference) if row.reference else None,
            "ratio": row.ratio,
            "met": row.met,
        }
        for row in rows
    ]


def write(path: Path, rows: Sequence[Row], machine: dict[str, Any], *, quick: bool) -> None:
    """Keep the rows of the claims measured now and those measured before."""
    kept: list[dict[str, Any]] = []
    if path.is_file():
        kept = msgspec.json.decode(path.read_bytes())["rows"]
    measured = {row.claim for row in rows}
    stamped = [row | {"machine": machine, "quick": quick} for row in as_json(rows)]
    merged = [row for row in kept if row["claim"] not in measured] + stamped
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode({"rows": merged}), indent=1)
    path.write_bytes(text + b"\n")


def _cells(row: Row) -> tuple[str, ...]:
    other = ""
    if row.reference:
        other = f"{number(statistics.median(row.reference))} ({row.other})"
    low, high = spread(row.ours)
    return (
        row.claim,
        row.quantity,
        row.unit,
        f"{number(row.median)} ({number(low)}-{number(high)})",
        other,
        "" if row.ratio is None else f"{number(row.ratio)}x",
        _bar(row),
        {None: "", True: "ok", False: "BELOW"}[row.met],
    )


def _bar(row: Row) -> str:
    if row.bar is None:
        return ""
    if row.bar.of == "ratio":
        text = f">= {number(row.bar.bound)}x"
    else:
        text = f"{'<=' if row.better == 'lower' else '>='} {number(row.bar.bound)}"
    return text if row.bar.goal is None else f"{text} (goal {number(row.bar.goal)})"


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value == 0 or not abs(value) < float("inf"):
        return f"{value:g}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
