"""transfer track RUN...: finished runs for TensorBoard and MLflow."""

from __future__ import annotations

import click

from transfer.cli.console import watched


@click.command(short_help="Write finished runs for TensorBoard or MLflow.")
@click.argument("runs", metavar="RUN...", nargs=-1, type=click.Path(), required=True)
@click.option(
    "--tensorboard",
    type=click.Path(),
    metavar="FOLDER",
    help="Write event files for: tensorboard --logdir FOLDER",
)
@click.option(
    "--mlflow",
    metavar="ADDRESS",
    help='Log to this tracking server or folder; needs pip install "transfer-classifier[mlflow]".',
)
@click.option(
    "--experiment", default="transfer", show_default=True, help="Name of the experiment in MLflow."
)
def track(
    runs: tuple[str, ...], tensorboard: str | None, mlflow: str | None, experiment: str
) -> None:
    """Write the curves, metrics and files of each RUN for TensorBoard, MLflow or both.

    It may be repeated: nothing is logged twice.
    """
    from transfer import api

    with watched():
        api.track(*runs, tensorboard=tensorboard, mlflow=mlflow, experiment=experiment)
