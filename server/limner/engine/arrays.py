"""Pixels between processes: pickled without their arrays, which lie in shared memory.

The memory is anonymous (a file without a name) and its descriptor travels with the message. So
nothing has to be unlinked, and nothing is left in `/dev/shm` whichever side is killed at whatever
moment: the kernel frees it with the last mapping.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

SHARED_FROM_BYTES = 128 * 1024
"""Smaller arrays travel inside the message: a mapping would cost more than the copy."""

ALIGNMENT = 64
"""Arrays start at multiples of a cache line."""

_PLAIN_MODULES = ("numpy", "limner.", "pathlib", "collections", "enum")
_PLAIN_BUILTINS = frozenset({"bytearray", "complex", "frozenset", "range", "set", "slice"})


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

    data = pickle.dumps(message, protocol=5, buffer_callback=stays_inside)
    if not large:
        return Packed(data)
    memory = _anonymous_file()
    try:
        offset = 0
        for view in large:
            _write_all(memory, view, offset)
            offset = _aligned(offset + view.nbytes)
        os.ftruncate(memory, offset)
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
            buffers = _map(packed.memory, packed.sizes)
        finally:
            os.close(packed.memory)
    kind = _PlainUnpickler if plain else pickle.Unpickler
    return kind(io.BytesIO(packed.pickle), buffers=buffers).load()


class _PlainUnpickler(pickle.Unpickler):
    """Knows numpy and the contract, and imports nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if module.startswith(_PLAIN_MODULES) or (module == "builtins" and name in _PLAIN_BUILTINS):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


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
        return os.memfd_create("limner")
    with tempfile.TemporaryFile() as file:  # macOS: a file that has already lost its name
        return os.dup(file.fileno())
