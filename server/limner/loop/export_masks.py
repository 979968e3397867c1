"""Layouts for masks: nnU-Net's, and that of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limner.errors import Conflict
from limner.images import Header, ImageSource, encode_mask, image_suffix, read_mask
from limner.loop.export_images import affine_of, encode_picture, encode_volume, whole_volume
from limner.loop.export_layout import DataSet, Layout, Part
from limner.plugin import LabelSchema, Mask, Region, inside

_MODALITIES = {"MR": "MRI", "unknown": "image"}
"""Names that both layouts have for DICOM's modality codes; nnU-Net takes `CT` as a hint."""


class NnUnet(Layout):
    """nnU-Net's layout, as its documentation `dataset_format.md` has it for version 2.

    Volumes become `.nii.gz`, pictures `.png`. Every channel of a volume is a file of its own; the
    three channels of a colour picture are one. Class values are consecutive there, so others are
    renumbered in the order of the schema.
    """

    def __init__(self, data_set: DataSet) -> None:
        self._title = data_set.title
        self._schema = data_set.schema
        self._modality = _MODALITIES.get(data_set.modality, data_set.modality)
        self._is_volume = len(data_set.first.shape or ()) == 3
        self._ending = ".nii.gz" if self._is_volume else ".png"
        self._channels = data_set.first.channels or 1
        self._count = 0
        self._has_ignored = False

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the channel files and the mask of one sample."""
        return self._files(name, source, self._mask(source, source.header(), label, label_format))

    def partial(
        self,
        name: str,
        source: ImageSource,
        label: Path,
        label_format: str,
        regions: Sequence[Region],
    ) -> list[Part]:
        """Return the files of one sample; what is not labelled has nnU-Net's label `ignore`."""
        mask = _renumbered(read_mask(label, source.limits, suffix=label_format), self._schema)
        array = mask.array.copy()
        array[~inside(regions, array.shape)] = len(self._schema.values)
        self._has_ignored = True
        drawn = Mask(array=array, spacing=mask.spacing, affine=mask.affine)
        return self._files(name, source, encode_mask(drawn, source.header(), self._ending))

    def _files(self, name: str, source: ImageSource, mask: bytes | Path) -> list[Part]:
        header = source.header()
        if header.channels != self._channels or (len(header.shape) == 3) != self._is_volume:
            raise Conflict(
                f"it has {header.channels} channels and {len(header.shape)} axes, unlike the first "
                "sample of this data set"
            )
        images = [
            Part(f"imagesTr/{name}_{index:04d}{self._ending}", content)
            for index, content in enumerate(self._images(source, header))
        ]
        return [*images, Part(f"labelsTr/{name}{self._ending}", mask)]

    def add(self, name: str) -> None:
        """Count a sample."""
        self._count += 1

    def closing(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Say in `dataset.json` what nnU-Net needs to know."""
        if self._channels == 1:
            channels = {"0": self._modality}
        elif not self._is_volume and self._channels == 3:
            channels = {"0": "R", "1": "G", "2": "B"}
        else:
            channels = {str(i): f"{self._modality}_{i}" for i in range(self._channels)}
        names = {name: value for value, name in enumerate(self._schema.names, start=1)}
        if self._has_ignored:
            names["ignore"] = len(self._schema.values)  # nnU-Net wants it to be the highest
        yield _description(
            {
                "name": self._title,
                "channel_names": channels,
                "labels": {"background": 0, **names},
                "numTraining": self._count,
                "file_ending": self._ending,
            }
        )

    def _images(self, source: ImageSource, header: Header) -> Iterator[bytes | Path]:
        suffixes = {image_suffix(path.name) for path in source.paths}
        files = len(source.paths)
        is_whole = files == header.channels if self._is_volume else files == 1
        if is_whole and suffixes == {self._ending}:
            yield from source.paths
            return
        image = source.read()
        if self._is_volume:
            for channel in image.array:
                yield encode_volume(channel, affine_of(image))
        else:
            yield encode_picture(image.array, source.name)

    def _mask(
        self, source: ImageSource, header: Header, label: Path, label_format: str
    ) -> bytes | Path:
        wanted = tuple(range(len(self._schema.values)))
        if label_format == self._ending and self._schema.values == wanted:
            return label
        mask = read_mask(label, source.limits, suffix=label_format)
        return encode_mask(_renumbered(mask, self._schema), header, self._ending)


class Decathlon(Layout):
    """The Medical Segmentation Decathlon's layout: NIfTI volumes, channels as a fourth axis."""

    def __init__(self, data_set: DataSet) -> None:
        if len(data_set.first.shape or ()) != 3:
            raise Conflict(
                "The msd layout holds volumes only, and this project has pictures; export them as "
                "nnunet."
            )
        self._title = data_set.title
        self._schema = data_set.schema
        self._modality = _MODALITIES.get(data_set.modality, data_set.modality)
        self._channels = data_set.first.channels or 1
        self._names: list[str] = []

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the volume and the mask of one sample."""
        header = source.header()
        file = f"{name}.nii.gz"
        is_whole = [image_suffix(path.name) for path in source.paths] == [".nii.gz"]
        image = source.paths[0] if is_whole else whole_volume(source)
        mask: bytes | Path = label
        if label_format != ".nii.gz":
            read = read_mask(label, source.limits, suffix=label_format)
            mask = encode_mask(read, header, ".nii.gz")
        return [Part(f"imagesTr/{file}", image), Part(f"labelsTr/{file}", mask)]

    def add(self, name: str) -> None:
        """Count a sample in."""
        self._names.append(name)

    def closing(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Say what the Decathlon's `dataset.json` does."""
        classes = {str(each.value): each.name for each in self._schema.classes}
        one = self._channels == 1
        yield _description(
            {
                "name": self._title,
                "description": "Labelled with Limner.",
                "tensorImageSize": "3D" if one else "4D",
                "modality": {
                    str(i): self._modality if one else f"{self._modality}_{i}"
                    for i in range(self._channels)
                },
                "labels": {"0": "background", **classes},
                "numTraining": len(self._names),
                "numTest": 0,
                "training": [
                    {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
                    for name in self._names
                ],
                "test": [],
            }
        )


def _description(told: Mapping[str, Any]) -> tuple[str, Iterable[bytes]]:
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    return "dataset.json", [text.encode()]


def _renumbered(mask: Mask, schema: LabelSchema) -> Mask:
    table = np.zeros(max(schema.values) + 1, dtype=np.uint16)
    for index, value in enumerate(schema.values):
        table[value] = index
    return Mask(array=table[mask.array], spacing=mask.spacing, affine=mask.affine)
