"""transfer report RUN: the page that shows what the model confuses."""

from __future__ import annotations

import click

from transfer.cli.console import tell
from transfer.cli.options import require_run


@click.command(short_help="Write the page that shows what a run's model confuses.")
@click.argument("run", type=click.Path())
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(run: str, show: bool) -> None:
    """Write report.html of RUN again from its predictions, and print its path."""
    from transfer import api
    from transfer.system.files import shown

    require_run("report", run)
    path = api.report(run)
    tell(shown(path))
    if show:
        click.launch(str(path))
