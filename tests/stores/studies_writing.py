"""A studies folder as a MONAI Label server leaves it, small."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

SHAPE = (5, 4, 3)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
TS = 1_650_000_000


class StudiesWriter:
    """Writes images, labels and the document that lists them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.objects: dict[str, Any] = {}
        (root / ".lock").touch()

    def image(self, image_id: str, ext: str = ".nii.gz", **info: Any) -> Path:
        """Write a volume, and list it."""
        values = np.random.default_rng(len(self.objects)).normal(size=SHAPE).astype(np.float32)
        path = self.root / f"{image_id}{ext}"
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)
        self.objects[image_id] = {
            "image": {"ext": ext, "info": {"ts": TS, "name": path.name, **info}},
            "labels": {},
        }
        return path

    def label(
        self,
        image_id: str,
        tag: str = "final",
        ext: str = ".nii.gz",
        *,
        fill: int = 1,
        shape: tuple[int, ...] = SHAPE,
        is_listed: bool = True,
        **info: Any,
    ) -> Path:
        """Write a mask with one voxel of a value, and list it."""
        values = np.zeros(shape, np.uint8)
        values[0, 0, 0] = fill
        path = self.file(f"labels/{tag}/{image_id}{ext}")
        if ext.startswith(".nii"):
            nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)
        if is_listed:
            told = {"ts": TS + fill, "name": path.name, **info}
            self.objects[image_id]["labels"][tag] = {"ext": ext, "info": told}
        return path

    def file(self, name: str, content: bytes | str = b"") -> Path:
        """Write any file below the folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def document(self, **more: Any) -> Path:
        """Write the document as the server does."""
        document = {
            "name": "new-dataset",
            "description": "New Dataset",
            "images_dir": ".",
            "labels_dir": "labels",
            "objects": self.objects,
            **more,
        }
        return self.file("datastore_v2.json", json.dumps(document, indent=2))

    def usual(self) -> StudiesWriter:
        """Write three images, of which two have labels: one by a person, one also by a model."""
        for number in range(3):
            self.image(f"case{number}", strategy={"random": {"ts": TS, "client_id": "ada"}})
        entries = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]
        self.label("case0", fill=1, client_id="ada", label_info=entries)
        self.label("case1", fill=2, client_id="bob", label_info=entries[1:])
        names = {"background": 0, "liver": 1}
        self.label("case0", "original", fill=1, params={"label_names": names}, model="segmentation")
        self.document()
        return self

    def snapshot(self) -> dict[str, tuple[bytes, int, int]]:
        """Return every file with its bytes, its time and its rights."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = os.lstat(path)
            content = path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(self.root))] = (content, status.st_mtime_ns, status.st_mode)
        return found
