from __future__ import annotations

import os
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from limner.engine.arrays import SHARED_FROM_BYTES, pack, unpack
from limner.plugin import Image


def image_of(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image:
    return Image(array=array, spacing=(1.0, 1.0, 1.0))


def test_large_arrays_travel_outside_the_pickle_and_come_back_equal() -> None:
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 255, (1, 100, 90, 80), dtype=np.uint8),
        np.asfortranarray(rng.integers(0, 255, (1, 100, 90, 81), dtype=np.uint8)),
    ]
    packed = pack([image_of(each) for each in arrays])
    assert len(packed.pickle) < 2000
    assert packed.sizes == tuple(each.nbytes for each in arrays)
    back = unpack(packed, plain=True)
    assert isinstance(back, list)
    for sent, received in zip(arrays, back, strict=True):
        assert np.array_equal(sent, received.array)
        assert received.array.flags.f_contiguous == sent.flags.f_contiguous


def test_small_arrays_travel_inside() -> None:
    packed = pack(np.zeros(SHARED_FROM_BYTES - 1, np.uint8))
    assert packed.memory is None
    assert isinstance(unpack(packed, plain=True), np.ndarray)


def test_received_arrays_can_be_changed_without_changing_anyone_elses() -> None:
    packed = pack(np.zeros(SHARED_FROM_BYTES, np.uint8))
    assert packed.memory is not None
    second = os.dup(packed.memory)
    first = unpack(packed, plain=True)
    assert isinstance(first, np.ndarray)
    first[:] = 1
    assert set(os.pread(second, SHARED_FROM_BYTES, 0)) == {0}
    os.close(second)


def test_shared_memory_has_no_name_that_could_be_left_behind() -> None:
    before = set(Path("/dev/shm").iterdir())
    packed = pack(np.zeros(1 << 20, np.uint8))
    assert set(Path("/dev/shm").iterdir()) == before
    unpack(packed, plain=True)


def test_the_descriptor_is_closed_once_the_arrays_are_gone() -> None:
    before = set(os.listdir("/proc/self/fd"))
    array = unpack(pack(np.zeros(1 << 20, np.uint8)), plain=True)
    assert set(os.listdir("/proc/self/fd")) != before
    del array
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("message", [Fraction(1, 2), os.system, [Fraction], eval])
def test_plain_messages_refuse_classes_and_functions_of_others(message: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is not plain data"):
        unpack(pack(message), plain=True)
    assert unpack(pack(message), plain=False) == message
