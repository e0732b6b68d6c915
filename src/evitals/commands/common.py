"""What commands share: options, JSON output, tables, progress bars, errors as messages."""

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from evitals.errors import EvitalsError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

UNBROKEN = 1000
"""Columns where the output is no terminal: a line stays whole for grep."""


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


def terminal_width() -> int:
    """Columns of the terminal (or as COLUMNS says); without one so many that nothing is folded."""
    return shutil.get_terminal_size((UNBROKEN, 24)).columns


def say(line: str) -> None:
    """Print a line; at a terminal it is folded below its own indent."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    width = max(terminal_width(), 40)
    click.echo(textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False))


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; None is shown as a dash. Where no terminal is, no cell is folded."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    for index, name in enumerate(header):
        table.add_column(name, no_wrap=index == 0)
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    Console(width=terminal_width()).print(table)


def short(value: object) -> object:
    """A value for a table cell: floats to five digits, a mapping as ``name value`` pairs."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {short(part)}" for name, part in value.items())
    return f"{value:.5g}" if isinstance(value, float) else value


@contextmanager
def progress_of(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, only where that is a terminal.

    Yields a function that takes how many of ``total`` are done.
    """
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """``items`` with a progress bar, as ``progress_of`` draws it."""
    with progress_of(total, label) as advance:
        for done, item in enumerate(items, 1):
            yield item
            advance(done)


class Main(click.RichGroup):
    """Turns every EvitalsError into one clear line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvitalsError as error:
            raise click.ClickException(str(error)) from error
