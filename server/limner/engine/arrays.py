"""Pixels between processes: pickled without their arrays, which lie in shared memory.

The memory is anonymous (a file without a name) and its descriptor travels with the message. So
nothing has to be unlinked, and nothing is left in `/dev/shm` whichever side is killed at whatever
moment: the kernel frees it with the last mapping.

The two sides may have different versions of Python and numpy. So arrays, numbers and paths are told
by functions of this module: what their own pickles name changes from version to version.
"""

from __future__ import annotations

import copyreg
import fcntl
import io
import mmap
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

SHARED_FROM_BYTES = 128 * 1024
"""Smaller arrays travel inside the message: a mapping would cost more than the copy."""

ALIGNMENT = 64
"""Arrays start at multiples of a cache line."""

_PLAIN_KINDS = "biufc"
"""Kinds of numpy types that are told by the bytes of their values."""

_PLAIN_NAMES = frozenset(
    {
        *(("builtins", name) for name in ("bytearray", "complex", "frozenset", "range", "set")),
        *(("collections", name) for name in ("OrderedDict", "deque")),
        *(("numpy", name) for name in ("dtype", "ndarray")),
        *(
            (f"numpy.{core}.multiarray", name)
            for core in ("core", "_core")  # what numpy 1 and numpy 2 call it
            for name in ("_reconstruct", "scalar")
        ),
        *((__name__, name) for name in ("array_from", "number_from", "path_from")),
    }
)
"""What a plain message may name beside the types of `_PLAIN_PACKAGES`."""

_PLAIN_PACKAGES = ("limner.plugin.", "limner.engine.")
"""Dataclasses and enumerations of these are what the two sides say to each other."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A message on its way: its pickle, and where its large arrays lie."""

    pickle: bytes
    sizes: tuple[int, ...] = ()
    """Bytes of each array in the shared memory, in order; empty when there is none."""
    memory: int | None = None
    """Descriptor of the shared memory; whoever holds this object closes it."""


def pack(message: object) -> Packed:
    """Pickle a message and copy its large contiguous arrays to shared memory, once.

    Raises:
        MemoryError: There is no memory for the arrays.
    """
    large: list[memoryview] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < SHARED_FROM_BYTES:
            return True
        large.append(view)
        return False

    written = io.BytesIO()
    pickler = pickle.Pickler(written, protocol=5, buffer_callback=stays_inside)
    pickler.dispatch_table = _TOLD
    pickler.dump(message)
    data = written.getvalue()
    if not large:
        return Packed(data)
    memory = _anonymous_file()
    try:
        offset = 0
        for view in large:
            _write_all(memory, view, offset)
            offset = _aligned(offset + view.nbytes)
        os.ftruncate(memory, offset)
        _seal(memory)
    except OSError as error:
        os.close(memory)
        raise MemoryError(f"No shared memory for an answer of {offset} bytes: {error}.") from error
    return Packed(data, tuple(view.nbytes for view in large), memory)


def unpack(packed: Packed, *, plain: bool) -> object:
    """Make the message again; its large arrays are views of the shared memory, not copies.

    The mapping is private: writing to such an array changes nobody else's. It lives as long as the
    arrays do. The descriptor is closed.

    Args:
        packed: What was received.
        plain: Refuse everything but numpy arrays and the contract's own types, so that no worker
            can make the web process import a plugin or its libraries.

    Raises:
        pickle.UnpicklingError: The message holds something that is not plain.
    """
    buffers: list[memoryview] = []
    if packed.memory is not None:
        try:
            if plain and not _is_sealed(packed.memory):
                raise pickle.UnpicklingError("its memory may shrink while it is read")
            buffers = _map(packed.memory, packed.sizes)
        finally:
            os.close(packed.memory)
    kind = _PlainUnpickler if plain else pickle.Unpickler
    return kind(io.BytesIO(packed.pickle), buffers=buffers).load()


def array_from(
    buffer: bytes | bytearray | memoryview, kind: str, shape: tuple[int, ...], order: str
) -> npt.NDArray[Any]:
    """Make an array over a buffer, without a copy: what a packed array calls when it arrives."""
    return np.frombuffer(buffer, np.dtype(kind)).reshape(shape, order="F" if order == "F" else "C")


def number_from(value: bytes, kind: str) -> Any:
    """Make a numpy number: what a packed one calls when it arrives."""
    return np.frombuffer(value, np.dtype(kind))[0]


def _told_array(array: npt.NDArray[Any]) -> str | tuple[Any, ...]:
    if array.dtype.kind not in _PLAIN_KINDS:
        return array.__reduce__()
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    dense = array if array.flags.forc else np.ascontiguousarray(array)
    order = "F" if is_fortran else "C"
    buffer = pickle.PickleBuffer(dense.data)
    return array_from, (buffer, array.dtype.str, array.shape, order)


def _told_number(number: np.generic) -> str | tuple[Any, ...]:
    if number.dtype.kind not in _PLAIN_KINDS:
        return number.__reduce__()
    return number_from, (number.tobytes(), number.dtype.str)


def _told_path(path: Path) -> tuple[Any, ...]:
    return path_from, (str(path),)


def path_from(text: str) -> Path:
    """Make a path: what a packed one calls when it arrives."""
    return Path(text)


_TOLD: Mapping[type, Callable[[Any], str | tuple[Any, ...]]] = {
    **copyreg.dispatch_table,
    np.ndarray: _told_array,
    **dict.fromkeys(set(np.sctypeDict.values()), _told_number),
    type(Path()): _told_path,
}


class _PlainUnpickler(pickle.Unpickler):
    """Makes numbers, arrays and what the contract and the messages are made of.

    It imports nothing and calls nothing else: whatever the other side sends, no code of a plugin
    runs here.
    """

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _PLAIN_NAMES:
            return super().find_class(module, name)
        if module.startswith(_PLAIN_PACKAGES):
            found = getattr(sys.modules.get(module), name, None)
            # A name with a dot in it finds nothing: attributes of attributes are not looked up.
            if _is_spoken(found) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def _is_spoken(found: object) -> TypeGuard[type]:
    return isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum))


def _map(memory: int, sizes: Sequence[int]) -> list[memoryview]:
    whole = memoryview(mmap.mmap(memory, 0, access=mmap.ACCESS_COPY))
    views = []
    offset = 0
    for size in sizes:
        views.append(whole[offset : offset + size])
        offset = _aligned(offset + size)
    return views


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _write_all(memory: int, view: memoryview, offset: int) -> None:
    # Writing through the descriptor fails with ENOSPC where memory is short; writing through a
    # mapping would end the process with SIGBUS.
    done = 0
    while done < view.nbytes:
        done += os.pwrite(memory, view[done:], offset + done)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("limner", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:  # macOS: a file that has already lost its name
        return os.dup(file.fileno())


def _seal(memory: int) -> None:
    """Keep the memory from shrinking: reading beyond its end would end the reading process."""
    if hasattr(os, "memfd_create"):
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)


def _is_sealed(memory: int) -> bool:
    if not hasattr(os, "memfd_create"):
        return True
    try:
        return bool(fcntl.fcntl(memory, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:  # a file of another kind
        return False
