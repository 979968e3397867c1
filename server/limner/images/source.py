"""Where an image lies: what crosses to a worker instead of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from limner.errors import GeometryMismatch, ImageTooLarge
from limner.images.geometry import affine_text, same_place
from limner.images.header import Header
from limner.images.reading import read_header, read_image
from limner.plugin import Image
from limner.settings import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """One sample's image: one file, or one file for each channel. Small and picklable.

    Example:
        >>> source = ImageSource(paths=(Path("t1.nii.gz"), Path("flair.nii.gz")), name="patient 1")
        >>> len(source.paths)
        2
    """

    paths: tuple[Path, ...]
    """At least one; channels follow each other in this order."""
    name: str
    """The sample's name, for messages only."""
    modality: str = "unknown"
    """DICOM modality code, or `unknown`."""
    limits: Limits = field(default_factory=Limits)
    """What the files may ask for before their pixels are read."""

    def header(self) -> Header:
        """Read the headers, and no pixel.

        Raises:
            ImageError: A file cannot be used, or the files do not lie on each other.
        """
        headers = [read_header(path, self.limits) for path in self.paths]
        if len(headers) == 1:
            return headers[0]
        for path, header in zip(self.paths, headers, strict=True):
            _check_alike(self.paths[0], headers[0], path, header)
        return self._combined(headers)

    def read(self) -> Image:
        """Read the pixels of all files.

        Raises:
            ImageError: As in `header`; also damaged pixels, or values that are not finite.
        """
        if len(self.paths) == 1:
            return read_image(self.paths[0], self.limits, name=self.name, modality=self.modality)
        header = self.header()
        array = np.empty((header.channels, *header.shape), dtype=np.dtype(header.dtype), order="F")
        done = 0
        for path in self.paths:
            part = read_image(path, self.limits).array
            if part.shape[1:] != header.shape or done + len(part) > header.channels:
                raise GeometryMismatch(f"{path.name} changed while it was read; read it again.")
            array[done : done + len(part)] = part
            done += len(part)
        array.flags.writeable = False
        return Image(
            array=array,
            spacing=header.spacing,
            affine=header.affine,
            modality=self.modality,
            name=self.name,
        )

    def _combined(self, headers: list[Header]) -> Header:
        first = headers[0]
        channels = sum(each.channels for each in headers)
        voxels = channels * int(np.prod(first.shape, dtype=object))
        if voxels > self.limits.max_voxels:
            raise ImageTooLarge(
                f"{self.name}: {len(headers)} files together hold {voxels:,} voxels, more than "
                f"the {self.limits.max_voxels:,} of max_voxels in the limits."
            )
        return Header(
            kind=first.kind,
            shape=first.shape,
            channels=channels,
            dtype=np.result_type(*(np.dtype(each.dtype) for each in headers)).name,
            spacing=first.spacing,
            affine=first.affine,
            nifti=first.nifti,
            format=first.format,
            size_bytes=sum(each.size_bytes for each in headers),
            modified_ns=max(each.modified_ns for each in headers),
        )


def _check_alike(first_path: Path, first: Header, path: Path, header: Header) -> None:
    if header.shape != first.shape:
        raise GeometryMismatch(
            f"Channel {path.name} has shape {header.shape}, but {first_path.name} has "
            f"{first.shape}. Resample the channels onto one grid."
        )
    if first.affine is None or header.affine is None:
        return
    if not same_place(first.affine, header.affine, first.shape):
        raise GeometryMismatch(
            f"Channel {path.name} has affine {affine_text(header.affine)}, but {first_path.name} "
            f"has {affine_text(first.affine)}. Resample the channels onto one grid."
        )
