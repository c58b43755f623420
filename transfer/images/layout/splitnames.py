"""Which split the name of a folder, a file or a value means."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORDS = {
    "train": "train|training|trn|traing|trainval",
    "val": "val|vali|vld|valid|validate|validation|validating|dev|devel|development|eval"
    "|evaluation",
    "test": "test|tests|testing|tst|holdout|heldout",
}
_OTHER_LANGUAGES = {  # Korean, Japanese, Chinese, French, Spanish, Portuguese, Italian, German
    "train": "훈련|학습|트레이닝|学習|訓練|训练|entrainement|apprentissage|entrenamiento"
    "|treino|treinamento|addestramento",
    "val": "검증|検証|验证|驗證|validacion|validacao|validazione|validierung",
    "test": "시험|테스트|평가|テスト|評価|测试|測試|essai|essais|prueba|pruebas|teste|testes|prova",
}
# What may be glued to the word: trainset, testimages, valdata, 훈련용.
_ENDS = "sets?|data|datasets?|images?|imgs?|pics?|photos?|pictures?|splits?|lists?|folders?|files?"
_ENDS += "|용|셋|세트|데이터|데이터셋|이미지|사진|用|集|用データ|データ|画像|数据|数据集|图像"
_PATTERNS = {
    split: re.compile(f"({words}|{_OTHER_LANGUAGES[split]})({_ENDS})?")
    for split, words in _WORDS.items()
}
_ACCENTS = re.compile("[\u0300-\u036f]")
_TOGETHER = {frozenset({"train", "val"}): "train"}  # train_val, train+val


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: runs of letters, ``fooBar`` being two."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFD", name))
    name = unicodedata.normalize("NFKC", plain)
    # test (Test), trainA (train, A), PublicTest (Public, Test), TRAIN2017 (TRAIN)
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+", name)
    return [word.lower() for word in found]


def split_of(name: str) -> str | None:
    """Return ``"train"``, ``"val"`` or ``"test"`` where a word of the name means it, else None.

    Case, numbers, and what stands before or after the word do not matter: ``01_Train``,
    ``seg_test``, ``trainval2017``, ``PublicTest``, ``validation-images``. A name with two such
    words means neither, except train and val together, which mean train.
    """
    found = {
        split
        for word in words_of(name)
        for split, pattern in _PATTERNS.items()
        if pattern.fullmatch(word)
    }
    if len(found) == 1:
        return found.pop()
    return _TOGETHER.get(frozenset(found))


def is_plain_split(name: str) -> bool:
    """Return whether a name says nothing but a split: ``Train``, ``test_set``, ``val2017``."""
    rest = [word for word in words_of(name) if not re.fullmatch(_ENDS, word)]
    return len(rest) == 1 and split_of(name) is not None


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """Return name -> split of the names that mean one."""
    found = ((name, split_of(name)) for name in names)
    return {name: split for name, split in found if split is not None}
