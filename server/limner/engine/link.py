"""Messages over a socket pair between the server and one worker."""

from __future__ import annotations

import array
import os
import socket
import struct
import threading

from limner.engine.arrays import Packed, pack, unpack

_HEADER = struct.Struct("!QI")
"""Bytes of the pickle, number of arrays in shared memory."""

_SIZE = struct.Struct("!Q")

MOST_ARRAYS = 1 << 16
MOST_PICKLE_BYTES = 1 << 32
"""More than these in one header means that the two sides lost step."""


class LinkClosed(Exception):
    """The other side ended, or stopped in the middle of a message."""


class Link:
    """One end of the pair. Any thread may send; one thread receives."""

    def __init__(self, end: socket.socket, *, plain: bool, patience_s: float | None = None) -> None:
        """Take over one end.

        Args:
            end: Of `socket.socketpair()`.
            plain: Whether what is received must be plain data; see `arrays.unpack`.
            patience_s: How long a message may rest half-way; None waits for ever.
        """
        end.settimeout(patience_s)
        self._end = end
        self._plain = plain
        self._sending = threading.Lock()

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._end.fileno()

    def send(self, message: object) -> None:
        """Send a message, its large arrays by shared memory.

        Raises:
            LinkClosed: Nobody listens any more.
        """
        packed = pack(message)
        try:
            head = _HEADER.pack(len(packed.pickle), len(packed.sizes))
            head += b"".join(_SIZE.pack(size) for size in packed.sizes)
            with self._sending:
                self._send(head, packed)
        except OSError as error:
            raise LinkClosed(f"The link broke while sending: {error}.") from error
        finally:
            if packed.memory is not None:
                os.close(packed.memory)

    def receive(self) -> object:
        """Wait for the next message.

        Raises:
            LinkClosed: The other side ended or stopped half-way.
            pickle.UnpicklingError: The message is not plain data, and has to be.
        """
        try:
            packed = self._receive()
        except OSError as error:
            raise LinkClosed(f"The link broke while receiving: {error}.") from error
        return unpack(packed, plain=self._plain)

    def close(self) -> None:
        """Close this end; the other side notices."""
        self._end.close()

    def _send(self, head: bytes, packed: Packed) -> None:
        # The descriptor rides on the first byte, so that the receiver knows where to look for it.
        if packed.memory is not None:
            socket.send_fds(self._end, [head[:1]], [packed.memory])
            head = head[1:]
        self._end.sendall(head + packed.pickle)

    def _receive(self) -> Packed:
        first, memory = self._receive_first()
        try:
            length, count = _HEADER.unpack(first + self._read(_HEADER.size - 1))
            is_odd = count > MOST_ARRAYS or length > MOST_PICKLE_BYTES
            if is_odd or (count > 0) != (memory is not None):
                raise LinkClosed("The link broke: a header made no sense.")
            sizes = [_SIZE.unpack(self._read(_SIZE.size))[0] for _ in range(count)]
            return Packed(bytes(self._read(length)), tuple(sizes), memory)
        except BaseException:
            if memory is not None:
                os.close(memory)
            raise

    def _receive_first(self) -> tuple[bytes, int | None]:
        room = socket.CMSG_SPACE(array.array("i", [0]).itemsize)
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # other children must not inherit it
        first, notes, _, _ = self._end.recvmsg(1, room, flags)
        if not first:
            raise LinkClosed("The other side closed the link.")
        for level, kind, data in notes:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                return first, array.array("i", data[:4])[0]
        return first, None

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        view = memoryview(data)
        done = 0
        while done < length:
            count = self._end.recv_into(view[done:])
            if count == 0:
                raise LinkClosed("The other side ended in the middle of a message.")
            done += count
        return data
