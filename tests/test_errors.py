from __future__ import annotations

import copy

import pytest

from transfer.errors import UsageError, did_you_mean, out_of_memory


def test_near_misses() -> None:
    names = ["vgg16", "vgg19", "resnet50"]
    assert did_you_mean("vgg61", names) == " Did you mean 'vgg16'?"
    assert did_you_mean("vgg91", names) == " Did you mean 'vgg19'?"
    assert did_you_mean("resnet5", names) == " Did you mean 'resnet50'?"
    assert did_you_mean("alexnet", ["vgg16"]) == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), True),
        (RuntimeError("cpu_memory.cpp:257: Failed to allocate 234881024 bytes of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("No such layer"), False),
    ],
)
def test_what_means_that_memory_ran_out(error: Exception, told: bool) -> None:
    assert (out_of_memory(error) is not None) is told


def test_an_argument_is_named_in_each_face_s_own_words() -> None:
    error = UsageError("Expected {knob} as a number. Received: '{0}{knob'", knob="image_size")
    assert str(error) == "Expected image_size as a number. Received: '{0}{knob'"
    assert error.as_option.startswith("Expected --image-size as")
    assert str(UsageError("Cannot read '{knob}.json'")) == "Cannot read '{knob}.json'"
    again = copy.copy(error)
    assert (again.knob, str(again)) == (error.knob, str(error))
