from __future__ import annotations

import re

import transfer
from transfer import api


def test_all_results_have_public_types() -> None:
    verbs = [getattr(api, name) for name in api.__all__]
    returned = " ".join(verb.__annotations__["return"] for verb in verbs)
    names = set(re.findall(r"[A-Z]\w+", returned)) - {"Any", "Iterator", "Mapping", "Path"}
    assert names >= {"Checkup", "Compared", "Prediction", "RateCurve", "Run"}
    assert names <= set(transfer.__all__)
    for name in names:
        assert getattr(transfer, name).__name__ == name
