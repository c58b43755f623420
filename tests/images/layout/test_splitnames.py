from __future__ import annotations

import pytest

from transfer.images.layout.splitnames import is_plain_split, split_of, words_of


@pytest.mark.case("L01")
@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Training TRAIN2017 01_train seg_train train-images trainset trainval"),
        ("train", "Train_Data images_training TrainingData train.1 trn train_val"),
        ("val", "val Valid validation VALIDATION dev eval evaluation ValSet val2017 images_valid"),
        ("test", "test Testing test1 testset TestImages PublicTest holdout seg_test"),
        ("train", "훈련 학습용 훈련데이터 1_학습 学習 学習用データ 训练集 entraînement treino"),
        ("val", "검증 검증용 検証 验证集 validación Validierung validação"),
        ("test", "시험 평가용 테스트 テスト 評価 测试集 essai prueba teste"),
    ],
)
def test_names_that_mean_a_split(split: str, names: str) -> None:
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


@pytest.mark.parametrize(
    "name",
    [
        "훈련소",
        "시험지",
        "strain",
        "latest",
        "contest",
        "trainer",
        "deviant",
        "valley",
        "trains",
        "rose",
        "1",
        "",
    ],
)
def test_names_that_mean_none(name: str) -> None:

    assert split_of(name) is None


def test_names_with_two_splits_mean_none() -> None:
    assert split_of("test_train") is None
    assert split_of("Val-Test") is None
    assert split_of("train+val") == "train"


def test_words_and_plain_names() -> None:
    assert words_of("trainA_Test2017-PUBLICSet") == ["train", "a", "test", "public", "set"]
    assert is_plain_split("Train_Set2")
    assert is_plain_split("test-images")
    assert not is_plain_split("seg_train")
    assert not is_plain_split("test_tube")
