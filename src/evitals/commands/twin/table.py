"""``evitals twin table``: the reference document's UDDS table beside ours."""

import rich_click as click

from evitals.commands.common import json_option, print_json, print_table


@click.command()
@click.option(
    "--engine",
    default="twin",
    show_default=True,
    help="Whose figures stand in the last column: twin with FASTSim's rule, or fastsim itself.",
)
@json_option
def table(engine: str, as_json: bool) -> None:
    """The Zoe on UDDS: the reference document's figures beside the twin's, wrong ones marked."""
    from evitals.twin.table import udds

    rows = udds(engine)  # type: ignore[arg-type]
    if as_json:
        print_json(rows)
        return
    print_table(
        "Renault Zoe ZE50 on UDDS, 22 degC, from 90 % SoC",
        ["figure", "unit", "document", "", "twin", "regen as FASTSim", "what is wrong there"],
        [
            (
                row.figure,
                row.unit,
                f"{row.document:g}",
                "WRONG" if row.wrong else "",
                f"{row.twin:.4g}",
                f"{row.fastsim_rule:.4g}",
                row.why,
            )
            for row in rows
        ],
    )
