"""Writes the generated pages of docs/: settings, signals, commands. A test holds them.

Run: ``python docs/generate.py``
"""

from inspect import cleandoc
from pathlib import Path

import click

from evitals.cli import main
from evitals.settings import PREFIX, Settings
from evitals.signals import RESULTS, SIGNALS, Signal

DOCS = Path(__file__).parent


def settings_page() -> str:
    """Every setting as a table."""
    rows = [
        f"| `{PREFIX}{about.name.upper()}` | `{about.default}` | {about.meaning} |"
        for about in Settings.described()
    ]
    return _page(
        "Settings",
        "Read from the environment when a command starts; `evitals settings` prints them.",
        ["| environment | default | meaning |", "|---|---|---|", *rows],
    )


def signals_page() -> str:
    """Every signal as two tables: measured, answered."""

    def table(signals: dict[str, Signal]) -> list[str]:
        head = ["| name | unit | plausible | meaning |", "|---|---|---|---|"]
        return head + [
            f"| `{s.name}` | {s.unit} | {s.low:g} to {s.high:g} | {s.meaning} |"
            for s in signals.values()
        ]

    return _page(
        "Signals",
        "Current and power are positive while charging. A value outside its plausible range is "
        "reported and becomes missing; nothing is filled in.",
        ["## Measured", "", *table(SIGNALS), "", "## Answered", "", *table(RESULTS)],
    )


def commands_page() -> str:
    """Every command with its arguments and options, from the commands themselves."""
    lines: list[str] = []
    for path, command in _commands(main, "evitals"):
        context = click.Context(command, info_name=path)
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f"## `{path} {usage}`", "", cleandoc(command.help or ""), ""]
        options = [
            f"| `{'`, `'.join(p.opts)}` | {_default(p)} | {p.help or ''} |"
            for p in command.params
            if isinstance(p, click.Option)
        ]
        if options:
            lines += ["| option | default | meaning |", "|---|---|---|", *options, ""]
    return _page("Commands", "Every command also answers `--help`.", lines)


PAGES = {
    "settings.md": settings_page,
    "signals.md": signals_page,
    "commands.md": commands_page,
}


def _commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        return [
            found
            for name in sorted(command.commands)
            for found in _commands(command.commands[name], f"{path} {name}")
        ]
    return [(path, command)]


def _default(option: click.Option) -> str:
    return f"`{option.default}`" if option.show_default else ""


def _page(title: str, intro: str, lines: list[str]) -> str:
    body = "\n".join(lines).rstrip()
    return f"<!-- written by docs/generate.py -->\n# {title}\n\n{intro}\n\n{body}\n"


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
