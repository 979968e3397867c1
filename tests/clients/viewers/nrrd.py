"""NRRD as small readers in viewers understand it: a header of plain fields, then the voxels.

Format: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_TYPES = {"uint8": "u1", "unsigned char": "u1", "uint16": "<u2", "unsigned short": "<u2"}


@dataclass(frozen=True)
class Volume:
    """What a file holds."""

    fields: dict[str, str]
    array: npt.NDArray[Any]
    """Axes in the order of the file: the first one runs fastest."""

    def affine(self) -> npt.NDArray[np.float64]:
        """The way from voxels to RAS+ millimetres."""
        assert self.fields["space"] == "left-posterior-superior"
        columns = [_numbers(each) for each in self.fields["space directions"].split()]
        found = np.eye(4)
        found[:3, :3] = np.array(columns).T
        found[:3, 3] = _numbers(self.fields["space origin"])
        return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ found)


def parse(content: bytes) -> Volume:
    assert content.startswith(b"NRRD000")
    head, data = content.split(b"\n\n", 1)
    lines = [line for line in head.decode("ascii").split("\n")[1:] if not line.startswith("#")]
    fields = dict(line.split(": ", 1) for line in lines)
    if fields["encoding"] in {"gzip", "gz"}:
        data = gzip.decompress(data)
    else:
        assert fields["encoding"] == "raw"
    kind = np.dtype(_TYPES[fields["type"]])
    if kind.itemsize > 1:
        assert fields["endian"] == "little"
    sizes = [int(each) for each in fields["sizes"].split()]
    assert len(sizes) == int(fields["dimension"])
    assert len(data) == int(np.prod(sizes)) * kind.itemsize
    return Volume(fields, np.frombuffer(data, kind).reshape(sizes, order="F"))


def _numbers(vector: str) -> list[float]:
    return [float(each) for each in vector.strip("()").split(",")]
