from __future__ import annotations

import io
import os
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from limner.engine.arrays import SHARED_FROM_BYTES, Packed, pack, unpack
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


class Noting(pickle.Unpickler):
    """Notes the modules that a pickle imports from."""

    modules: ClassVar[set[str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        return super().find_class(module, name)


def named_in(packed: Packed) -> set[str]:
    Noting.modules = set()
    Noting(io.BytesIO(packed.pickle), buffers=[bytes(size) for size in packed.sizes]).load()
    return Noting.modules


def test_no_array_number_or_path_names_what_another_version_lacks() -> None:
    volume = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    message = [
        volume,
        np.asfortranarray(volume),
        volume.transpose(1, 0, 2),
        volume[:, ::-2],
        np.array(1.5),
        np.array([True, False]),
        np.array([1 + 2j], np.complex64),
        np.zeros(SHARED_FROM_BYTES, np.float32),
        np.zeros((0, 3), np.float32),
        np.float32(0.1),
        np.int64(-7),
        np.bool_(True),
        Path("weights.npz"),
    ]
    packed = pack(message)
    assert named_in(packed) == {"limner.engine.arrays"}
    back = unpack(packed, plain=True)
    assert isinstance(back, list)
    for sent, received in zip(message, back, strict=True):
        assert type(received) is type(sent)
        assert np.array_equal(np.asarray(received), np.asarray(sent))
        assert getattr(received, "dtype", None) == getattr(sent, "dtype", None)


@pytest.mark.parametrize(
    "array", [np.array(["a", "bc"]), np.array("2026-01-01", "M8[D]")], ids=["texts", "date"]
)
def test_arrays_of_texts_and_dates_cross_as_well(array: np.ndarray[Any, Any]) -> None:
    back = unpack(pack(array), plain=True)
    assert isinstance(back, np.ndarray)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_an_array_that_was_read_only_stays_so_and_another_does_not() -> None:
    for size in (8, SHARED_FROM_BYTES):
        array = np.zeros(size, np.uint8)
        back = unpack(pack(array), plain=True)
        assert isinstance(back, np.ndarray)
        assert back.flags.writeable
        array.flags.writeable = False
        frozen = unpack(pack(array), plain=True)
        assert isinstance(frozen, np.ndarray)
        assert not frozen.flags.writeable


class Calls:
    """Pickles to a call of something by name."""

    def __init__(self, module: str, name: str, *given: object) -> None:
        self.data = b"\x80\x04" + b"".join(
            (_text(module), _text(name), b"\x93", pickle.dumps(given, 4)[2:-1], b"R.")
        )


def _text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


@pytest.mark.parametrize(
    ("module", "name", "given"),
    [
        ("limner.engine.arrays", "os.system", ("exit 3",)),
        ("pathlib", "os.system", ("exit 3",)),
        ("limner.registry.files", "import_path", ("x.py",)),
        ("limner.engine.arrays", "pack", ("x",)),
        ("limner.cli.__main__", "main", ()),
        ("numpy", "load", ("x.npy", None, True)),
        ("numpyro", "sample", ()),
        ("numpy", "ndarray.tofile", ("x",)),
        ("builtins", "getattr", ("x", "y")),
    ],
)
def test_plain_messages_call_nothing_of_ours_or_numpys_either(
    module: str, name: str, given: tuple[object, ...]
) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is not plain data"):
        unpack(Packed(Calls(module, name, *given).data), plain=True)


def test_memory_that_could_shrink_is_refused() -> None:
    packed = pack(np.zeros(SHARED_FROM_BYTES, np.uint8))
    assert packed.memory is not None
    with pytest.raises(PermissionError):
        os.ftruncate(packed.memory, 10)
    unsealed = os.memfd_create("other")
    os.write(unsealed, bytes(SHARED_FROM_BYTES))
    os.close(packed.memory)
    with pytest.raises(pickle.UnpicklingError, match="may shrink"):
        unpack(Packed(packed.pickle, packed.sizes, unsealed), plain=True)
