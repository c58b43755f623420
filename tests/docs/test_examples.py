"""Run the examples of README.md and docs/ on toy photos.

The convention, also in CONTRIBUTING.md: blocks marked ``console`` and ``python`` are run, in the
order of their page; blocks marked ``sh`` (no network here, or it takes too long) and ``text`` are
not. In a ``console`` block each line that starts with ``$ `` is a command. The blocks of a page
share a folder and, in Python, their names.

Two networks of toy size take the places of MobileNetV2 and VGG16, and commands that train get `TOY`
unless they say otherwise. Everything else is real.
"""

from __future__ import annotations

import re
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transfer.cli.main import transfer as command
from transfer.networks import backbones

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITHOUT_EXAMPLE = {"ablation.md", "glossary.md"}  # a table of results, and a list of words
RUN, KEPT = {"console", "python"}, {"sh", "text"}
TOY = {"--unfreeze": "none", "--views": "0", "--epochs": "1"}
SCRATCH = {"dnn", "lenet5", "simple-cnn", "small-cnn"}
CLASSES = {"beagle": (150, 90, 40), "poodle": (225, 215, 205), "pug": (90, 80, 110)}
PER_CLASS = 9


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page as (language, text)."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]


def at_toy_size(words: list[str]) -> list[str]:
    """Return a command with the options that make a training small."""
    options = {"finetune": TOY, "lr-find": {"--views": "0", "--unfreeze": "1"}}.get(words[0], {})
    if SCRATCH & set(words):  # these have nothing to freeze
        options = {key: value for key, value in options.items() if key != "--unfreeze"}
    return words + [word for key in options if key not in words for word in (key, options[key])]


def toy_network(input_shape: tuple[int, int, int]) -> Any:
    """Return a network of two blocks, with random but always the same weights."""
    import keras

    def conv(filters: int, seed: int) -> Any:
        init = keras.initializers.GlorotUniform(seed=seed)
        return keras.layers.Conv2D(filters, 3, 2, "same", kernel_initializer=init)

    image = keras.Input(input_shape)
    x = keras.layers.BatchNormalization()(conv(8, 1)(image))
    x = conv(16, 2)(keras.layers.ReLU()(x))
    return keras.Model(image, keras.layers.ReLU()(x))


def run_command(words: list[str]) -> None:
    assert words[0] == "transfer", f"only transfer can be run, not {words[0]!r}: mark it ```sh"
    command.main(at_toy_size(words[1:]), "transfer", standalone_mode=False)


@pytest.fixture(scope="module")
def kennel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the pages mention: data/, photos/, dogs.zip, tables and a run."""
    here = tmp_path_factory.mktemp("kennel")
    rng = np.random.default_rng(0)
    rows = ["path,label"]
    owners = ["path,owner"]
    tags = ["path,tags"]
    for name, colour in CLASSES.items():
        (here / "data/dogs" / name).mkdir(parents=True)
        for i in range(PER_CLASS):
            path = here / "data/dogs" / name / f"{i}.png"
            pixels = rng.normal(colour, 40, (40, 44, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path)
            rows.append(f"{path.relative_to(here)},{name}")
            owners.append(f"{name}/{i}.png,{name}-{i // 2}")
            tags.append(f"{path.relative_to(here)},{name}{'|ball' * (i % 2)}")
    (here / "labels.csv").write_text("\n".join(rows) + "\n")
    (here / "tags.csv").write_text("\n".join(tags) + "\n")
    (here / "photos.csv").write_text("\n".join(owners) + "\n")
    with zipfile.ZipFile(here / "dogs.zip", "w") as archive:
        for path in sorted((here / "data/dogs").rglob("*.png")):
            archive.write(path, path.relative_to(here / "data"))
    (here / "photos").mkdir()
    Image.open(here / "data/dogs/pug/0.png").resize((60, 50)).save(here / "photos/rex.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr(backbones, "_REGISTRY", dict(backbones._REGISTRY))
        for name in ("mobilenetv2", "vgg16"):
            backbones.register_backbone(
                name,
                toy_network,
                image_size=32,
                min_size=16,
                preprocess="keras.applications.mobilenet_v2:preprocess_input",
                overwrite=True,
            )
        run_command(["transfer", "finetune", "data/dogs", "--quiet"])
        assert (here / "runs/dogs-mobilenetv2-001/report.html").is_file()
        yield here


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_run(
    page: Path, kennel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    shutil.copytree(kennel, here)
    monkeypatch.chdir(here)
    names: dict[str, Any] = {"__name__": page.stem}
    for number, (language, text) in enumerate(blocks(page)):
        if language == "python":
            exec(compile(text, f"{page.name}, block {number}", "exec"), names)
        elif language == "console":
            for words in commands(text):
                run_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_whether_it_is_run(page: Path) -> None:
    languages = [language for language, _ in blocks(page)]
    assert set(languages) <= RUN | KEPT
    assert RUN & set(languages) or page.name in WITHOUT_EXAMPLE, "a page needs an example"
    for language, text in blocks(page):
        assert language != "console" or commands(text), f"no line starts with '$ ': {text}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short_and_names_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in text


def test_scripts_that_the_pages_name_exist() -> None:
    for page in PAGES:
        for script in re.findall(r"scripts/[\w/]+(?:\.\w+)?", page.read_text(encoding="utf-8")):
            assert (ROOT / script).exists(), f"{page.name} names {script}"
