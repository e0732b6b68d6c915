"""What commands share: options, JSON output, tables, progress bars, errors as messages."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from evitals.errors import EvitalsError

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """``--json``: one JSON document on standard output, nothing else."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def home_option(function: F) -> F:
    """``--home``: the folder of the store (default: EVITALS_HOME, else evitals-data)."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the store [default: EVITALS_HOME or evitals-data].",
    )(function)


def print_json(data: Any) -> None:
    """Print ``data`` (Structs, datetimes, paths) as indented JSON."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2)
    click.echo(text.decode())


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; None is shown as a dash."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, no_wrap=index == 0)
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    Console().print(table)


def progress(items: Iterable[Any], total: int, label: str) -> Iterable[Any]:
    """``items`` with a progress bar on standard error, only where that is a terminal."""
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, total=total, description=label, console=Console(stderr=True))


class Main(click.RichGroup):
    """Turns every EvitalsError into one clear line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvitalsError as error:
            raise click.ClickException(str(error)) from error
