from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api import iterate_explanations, write_explanations
from transfer.api.run import Run
from transfer.errors import DataError, RunError, UsageError
from transfer.serving.explain import explainer


def scene(x: int, y: int) -> np.ndarray:
    """Return noise with a red patch, uint8 (64, 64, 3)."""
    rng = np.random.default_rng(3)
    picture = rng.normal((90, 110, 110), 25, (64, 64, 3))
    picture[y : y + 20, x : x + 20] = rng.normal((200, 50, 40), 25, (20, 20, 3))
    return picture.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("method", ["cam", "layercam", "occlusion"])
def test_the_map_moves_with_the_object(trained: Run, method: str) -> None:
    for x, y in ((4, 4), (40, 4), (4, 40), (40, 40)):
        found = trained.explain(scene(x, y), method=method, class_name="red")[0]
        assert found.method == method
        values = np.clip(found.map, 0, None)
        rows, columns = (np.arange(n) + 0.5 for n in values.shape)
        centre = np.array([values.sum(axis=1) @ rows, values.sum(axis=0) @ columns])
        centre *= 64 / values.shape[0] / values.sum()
        assert abs(centre[0] - (y + 10)) < 16, (x, y, centre)
        assert abs(centre[1] - (x + 10)) < 16, (x, y, centre)


@pytest.mark.parametrize("method", ["cam", "layercam", "occlusion"])
def test_deleting_what_matters_costs_more_than_deleting_at_random(
    trained: Run, method: str
) -> None:
    """V. Petsiuk, A. Das, K. Saenko, "RISE", 2018."""
    rng, lost = np.random.default_rng(0), []
    for x, y in ((4, 4), (40, 10), (22, 40)):
        picture = scene(x, y)
        found = trained.explain(picture, method=method, class_name="red")[0]
        grids = [found.map, *(rng.random(found.map.shape) for _ in range(8))]
        changed = [_deleted(picture, grid, 0.15) for grid in grids]
        left = [each.probabilities["red"] for each in trained.predict(changed)]
        lost.append(np.mean(left[1:]) - left[0])
        assert left[0] < trained.predict(picture)[0].probabilities["red"]
    assert min(lost) > 0


def _deleted(picture: np.ndarray, values: np.ndarray, share: float) -> np.ndarray:
    times = len(picture) // len(values)
    wide = np.kron(values, np.ones((times, times)))
    gone = wide >= np.quantile(wide, 1 - share)
    changed = picture.copy()
    changed[gone] = picture.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    return changed


def test_what_is_explained_is_what_predict_says(trained: Run) -> None:
    files = sorted(Path(trained.info.data).rglob("*.png"))[::7]
    found = trained.explain(files)
    assert [each.path for each in found] == [str(file) for file in files]
    for each, prediction in zip(found, trained.predict(files), strict=True):
        assert (each.label, each.class_name) == (prediction.label, prediction.label)
        assert each.confidence == each.probability == prediction.confidence
        assert each.photo.size == (40, 36)
        assert (each.method, each.layer, each.map.shape) == ("cam", "out_relu", (8, 8))
        assert each._repr_png_().startswith(b"\x89PNG")


def test_openvino_gives_what_keras_gives(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run.explain(scene(4, 4), class_name="red")[0].map
    monkeypatch.setattr(explainer, "FEW", 0)
    engines = set()
    maps = [first]
    for engine in ("keras", "openvino"):
        path = run.path / "run.json"
        info = json.loads(path.read_text())
        info["features"]["engine"] = engine
        path.write_text(json.dumps(info))
        engines.add(run.info.features.engine)  # type: ignore[union-attr]
        maps.append(Run(run.path).explain(scene(4, 4), class_name="red")[0].map)
        shutil.copy(run.path / "model.keras", run.path / "copy")  # another time: opened anew
        (run.path / "copy").replace(run.path / "model.keras")
    assert engines == {"keras", "openvino"}
    for each in maps[1:]:
        np.testing.assert_allclose(each, first, rtol=1e-3, atol=1e-4)


def test_another_class_and_another_layer(trained: Run) -> None:
    found = trained.explain(scene(4, 4), class_name="blue", layer="add_1")[0]
    assert (found.class_name, found.method, found.layer) == ("blue", "layercam", "add_1")
    assert found.map.shape == (16, 16)
    assert found.probability == trained.predict(scene(4, 4))[0].probabilities["blue"]


@pytest.mark.parametrize(
    ("knobs", "error"),
    [
        ({"method": "gradcam"}, "Expected method= as one of auto, cam, layercam, occlusion"),
        ({"layer": "out_rely"}, r"toy has no layer of that name\. Did you mean 'out_relu'\?"),
        ({"layer": "add_1", "method": "cam"}, "has no meaning with method='cam'"),
        ({"layer": "add_1", "method": "occlusion"}, "looks at no layer"),
        ({"class_name": "rod"}, "Unknown class 'rod'. Did you mean 'red'"),
        ({"on_bad": "ignore"}, "skip or fail"),
    ],
)
def test_impossible_wishes(trained: Run, knobs: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error) as raised:
        trained.explain(scene(4, 4), **knobs)
    assert "\n" not in str(raised.value)


def test_a_hidden_head_takes_layercam(make_folder: Callable[..., Path], toy: str) -> None:
    run = transfer.finetune(
        make_folder(), backbone=toy, head="flatten,8", head_epochs=2, views=0, unfreeze="none"
    )
    assert run.explain(scene(4, 4))[0].method == "layercam"
    with pytest.raises(UsageError, match="needs a linear head"):
        run.explain(scene(4, 4), method="cam")


def test_files_and_their_list(trained: Run, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)> \n\x1b[2J;rm -rf .jpg"
    (tmp_path / "bad.jpg").write_bytes(b"<html>")
    Image.fromarray(scene(4, 4)).save(hostile)
    files = [hostile, tmp_path / "bad.jpg", tmp_path / "nowhere.png", hostile]
    with pytest.raises(DataError, match=r"bad\.jpg"):
        trained.explain(files)
    bad: list[tuple[str, DataError]] = []
    found = iterate_explanations(trained, files, lambda *each: bad.append(each))
    written = [path for _, path in write_explanations(found, tmp_path / "out", bad)]
    names = [path.name for path in written]
    label = trained.predict(hostile)[0].label
    photo = "img-src-x-onerror-alert-1-2J-rm-rf"
    assert names == [f"{number}-{photo}-{label}-cam.png" for number in ("001", "004")]
    rows = json.loads((tmp_path / "out" / "explanations.json").read_text())
    assert [row["path"] for row in rows] == [str(files[i]) for i in (0, 3, 1, 2)]
    assert [row.get("map") for row in rows] == [*names, None, None]
    assert ["error" in row for row in rows] == [False, False, True, True]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*names, "explanations.json"}
    first = written[0].read_bytes()
    trained.explain(files, tmp_path / "out", on_bad="skip")
    assert written[0].read_bytes() == first


def test_names_of_classes_in_file_names(run: Run, tmp_path: Path) -> None:
    (run.path / "classes.json").write_text(json.dumps(["a/b", "../..", "a?b"]))
    Image.fromarray(scene(4, 4)).save(tmp_path / "x.png")
    for name in ("a/b", "../..", "a?b"):
        Run(run.path).explain(tmp_path / "x.png", tmp_path / "out", class_name=name)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    wanted = {f"001-x-{word}-cam.png" for word in ("a-b.0", "class.1", "a-b.2")}
    assert names == wanted | {"explanations.json"}


def test_ctrl_c_leaves_whole_files_and_a_list_of_them(trained: Run, tmp_path: Path) -> None:
    def pictures() -> Iterator[np.ndarray]:
        yield scene(4, 4)
        yield scene(40, 4)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained.explain(pictures(), tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "explanations.json").read_text())
    assert [row["path"] for row in rows] == ["#0", "#1"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"explanations.json", *(row["map"] for row in rows)}
    for row in rows:
        with Image.open(tmp_path / "out" / row["map"]) as picture:
            picture.load()


def test_a_folder_that_cannot_be(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Expected a folder as output="):
        trained.explain(scene(4, 4), tmp_path / "file")


def test_feature_maps_and_filters(trained: Run, tmp_path: Path) -> None:
    files = trained.feature_maps(scene(4, 4), tmp_path / "out")
    names = ["filters-stem.png", "001-0-stem-maps.png", "001-0-out_relu-maps.png"]
    assert [file.name for file in files] == names
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)
    (one,) = trained.feature_maps(scene(4, 4), tmp_path / "one", layer="add_1")
    with Image.open(one) as picture:
        assert picture.width > 400
    with pytest.raises(UsageError, match="Did you mean 'add_1'"):
        trained.feature_maps(scene(4, 4), tmp_path / "out", layer="ad_1")


def test_a_run_without_a_model(run: Run) -> None:
    (run.path / "model.keras").unlink()
    with pytest.raises(RunError, match=r"model\.keras is missing"):
        run.explain(scene(4, 4))
