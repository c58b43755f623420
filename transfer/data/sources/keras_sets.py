"""The small data sets of keras.datasets, written as plain image folders."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from transfer.errors import TransferError, UsageError, did_you_mean
from transfer.system.progress import say, track
from transfer.system.quiet import import_tensorflow

_GOOGLE = "storage.googleapis.com"
_TORONTO = "www.cs.toronto.edu"
_DIGITS = "0 1 2 3 4 5 6 7 8 9"
_CLOTHES = "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot"
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus"
    " butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch"
    " crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo"
    " keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse"
    " mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy"
    " porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper"
    " snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television"
    " tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
# name -> (class names, host, files that Keras keeps)
_SETS = {
    "mnist": (_DIGITS, _GOOGLE, "mnist.npz"),
    "fashion_mnist": (_CLOTHES, _GOOGLE, "fashion-mnist/"),
    "cifar10": (_CIFAR10, _TORONTO, "cifar-10-batches-py-target_archive"),
    "cifar100": (_CIFAR100, _TORONTO, "cifar-100-python-target_archive"),
}


def check_name(name: str) -> str:
    """Return `name`. Raises UsageError where Keras has no image set of that name."""
    if name not in _SETS:
        raise UsageError(
            f"Unknown data set 'keras:{name}'.{did_you_mean(name, _SETS)}"
            f" Expected one of: {', '.join(f'keras:{each}' for each in _SETS)}."
        )
    return name


def write_keras_set(name: str, target: Path) -> None:
    """Write a data set of keras.datasets as PNG files: ``target/train|test/class/00000.png``.

    What Keras downloads stays in its own folder (``~/.keras/datasets``).

    Raises:
        TransferError: It cannot be downloaded.
    """
    names, host, kept = _SETS[check_name(name)]
    classes = names.split()
    import_tensorflow()
    from PIL import Image

    folder = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"
    say(f"keras:{name} comes from {host}, unless it is in {folder}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)  # or Keras uses one below /tmp
        with redirect_stdout(sys.stderr):  # Keras draws its bar on stdout
            halves = importlib.import_module(f"keras.datasets.{name}").load_data()
    except Exception as error:  # Keras raises Exception itself when a download fails
        raise TransferError(
            f"keras:{name} cannot be downloaded from {host}: {' '.join(str(error).split())[:300]}."
            f" Copy {kept} from ~/.keras/datasets of a machine with network access to {folder}."
        ) from error
    for split, (images, labels) in zip(("train", "test"), halves, strict=True):
        for label in classes:
            (target / split / label).mkdir(parents=True)
        pairs = zip(images, labels.ravel(), strict=True)
        for number, (image, label) in enumerate(track(pairs, f"Writing {split}", len(images))):
            Image.fromarray(image).save(target / split / classes[label] / f"{number:05d}.png")
