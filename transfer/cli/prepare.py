"""transfer prepare SOURCE DEST: any source of images becomes a plain folder."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.options import given, recipe_options
from transfer.recipe.reading import READING


@click.command(short_help="Write a folder of images from an archive, table or data set.")
@click.argument("source")
@click.argument("dest", type=click.Path())
@click.option("--sha256", metavar="HEX", help="Of the archive; required for an https address.")
@click.option(
    "--manual-dir", type=click.Path(), help="Files for a TFDS builder that were downloaded by hand."
)
@click.option(
    "--fixes",
    type=click.Path(),
    metavar="FILE",
    help="Table with columns path and action (keep, remove or a class): copy the images so.",
)
@click.option(
    "--pages",
    metavar="first|all",
    default="first",
    show_default=True,
    help="all writes each page of a TIFF file as a photo of its own.",
)
@partial(recipe_options, names=[name for name in READING if name != "allow_empty"])
@click.option(
    "--max-size", default="50GB", show_default=True, help="Maximum unpacked size of an archive."
)
@click.option(
    "--max-files", default=500_000, show_default=True, help="Maximum members of an archive."
)
@click.option(
    "--max-ratio", default=100, show_default=True, help="Maximum ratio of unpacked to packed size."
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show only warnings.")
def prepare(source: str, dest: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Write the images of SOURCE to DEST, a new or empty folder: one folder per class, or train/,
    val/ and test/ of such folders. SOURCE is not changed, and DEST is written atomically.

    \b
    SOURCE is one of
      data/dogs                         a folder of images
      dogs.zip                          an archive: .zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz
      https://host/dogs.zip             the address of one, with --sha256
      s3://bucket/dogs  gs://  hf://    a remote folder, archive, shard or .parquet
      labels.csv  labels.xlsx           a table of paths, classes and perhaps splits: also
                                        .tsv, .txt, .jsonl, .json, .parquet
      train.parquet                     images in a column
      set-000000.tar  set-{000..009}.tar  WebDataset shards
      tfds:NAME  tfds:NAME:CONFIG       from the catalog of TensorFlow Datasets
      datasets/dogs_prepared            the folder of a TFDS builder, whose code is run
      keras:mnist  keras:fashion_mnist  keras:cifar10  keras:cifar100
      sample:digits  sample:shapes
    """
    from transfer import api

    with watched(quiet):
        folder = api.prepare(source, dest, **given(options))
    counts = folder.counts()
    if as_json:
        tell_json({"folder": str(folder.root), "classes": folder.classes, "counts": counts})
        return
    splits = [f"{split} {size:,}" for split, size in folder.sizes().items() if split]
    more = f" ({', '.join(splits)})" if splits else ""
    tell(f"{len(folder):,} images of {len(folder.classes)} classes in {folder.root}{more}")
