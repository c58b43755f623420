from __future__ import annotations

from transfer.evaluation.report.sections import count_table, course


def test_counts_are_summed_and_a_missing_class_counts_zero() -> None:
    table = count_table({"train": {"a": 3, "b": 4}, "val": {"a": 1}}, ["a", "b"])
    assert table == {
        "splits": ["train", "val"],
        "rows": [("a", [3, 1]), ("b", [4, 0])],
        "totals": [7, 1],
    }
    assert count_table({}, ["a"]) is None


def test_the_course_of_training_in_words() -> None:
    solved = [{"accuracy": "0.97", "val_accuracy": "0.9"}]
    assert "97.0\u00a0% of the training images right and 90.0\u00a0% of" in course(solved, True)

    def rows(train: list[float], val: list[float]) -> list[dict[str, str]]:
        return [{"loss": f"{a}", "val_loss": f"{b}"} for a, b in zip(train, val, strict=True)]

    assert "still falls" in course(rows([3, 2, 1], [3, 2, 1]), False)
    overfits = course(rows([3, 2, 1], [3, 1, 2]), False)
    assert "lowest after epoch 2 of 3; after that only the training loss falls" in overfits
    assert course(rows([3, 2, 2.5], [3, 1, 2]), False).endswith("after epoch 2 of 3.")
    assert "plateaus" in course([{"loss": "nan", "val_loss": "nan"}], False)
