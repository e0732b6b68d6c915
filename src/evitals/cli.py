"""The command line: one command a job."""

import rich_click as click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evitals")
def main() -> None:
    """Vital signs for EV batteries."""
