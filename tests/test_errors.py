from __future__ import annotations

from transfer.errors import did_you_mean


def test_near_misses() -> None:
    names = ["vgg16", "vgg19", "resnet50"]
    assert did_you_mean("vgg61", names) == " Did you mean 'vgg16'?"
    assert did_you_mean("vgg91", names) == " Did you mean 'vgg19'?"
    assert did_you_mean("resnet5", names) == " Did you mean 'resnet50'?"
    assert did_you_mean("alexnet", ["vgg16"]) == ""
