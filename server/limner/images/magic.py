"""Recognising a file by its first bytes, to say what a wrongly named file really is."""

from __future__ import annotations

_STARTS = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "BigTIFF"),
    (b"NRRD", "NRRD"),
    (b"ObjectType", "MetaImage"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF", "HDF5"),
    (b"PK\x03\x04", "zip"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"\x5c\x01\x00\x00", "NIfTI or Analyze"),
    (b"\x00\x00\x01\x5c", "NIfTI or Analyze"),
)


def looks_like(head: bytes) -> str:
    """Return ` (it looks like …)`, or nothing when the bytes are not recognised."""
    if head[128:132] == b"DICM":
        return " (it looks like DICOM)"
    for start, name in _STARTS:
        if head.startswith(start):
            return f" (it looks like {name})"
    return ""
