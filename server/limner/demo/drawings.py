"""What the demo draws for each task, and how much of it a demo of a few minutes takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from limner.demo import cells, phantom, textures
from limner.demo.writing import write_cells, write_phantom, write_texture
from limner.plugin import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A kind of data set that can be drawn."""

    project: str
    """What its project is called."""
    title: str
    app: str
    """Name of the app that learns from it, where no other is asked for."""
    things: str
    """What the images are called: volumes, pictures."""
    modality: str
    """DICOM code."""
    classes: tuple[str, ...]
    """In the order of their values."""
    pool: int
    """Images to label from."""
    unseen: int
    """Images that are only ever predicted."""
    labels: int
    """A round."""
    app_options: Mapping[str, int] = field(default_factory=dict)
    """Options of that app that keep the demo short."""
    effort: float | None = None
    """Fraction of that app's usual training, where a whole one takes longer than a demo may."""
    write: Callable[[int, int, Path, Path, str], Path]
    """Draws one image by seed and index, and writes it into a folder of images and its label into
    one of labels, under a name; returns the label's file."""


def _write_phantom(seed: int, index: int, images: Path, labels: Path, name: str) -> Path:
    return write_phantom(phantom.draw_phantom(seed, index), images, labels, name)


def _write_cells(seed: int, index: int, images: Path, labels: Path, name: str) -> Path:
    return write_cells(cells.draw_cells(seed, index), images, labels, name)


def _write_texture(seed: int, index: int, images: Path, labels: Path, name: str) -> Path:
    return write_texture(textures.draw_texture(seed, index), images, labels, name)


DRAWINGS: Mapping[Task, Drawing] = MappingProxyType(
    {
        Task.SEGMENTATION: Drawing(
            project="phantoms",
            title="Drawn phantoms: an organ of two parts",
            app="segmentation",
            things="volumes",
            modality="MR",
            classes=phantom.CLASSES,
            pool=60,
            unseen=12,
            labels=6,
            write=_write_phantom,
        ),
        Task.INSTANCES: Drawing(
            project="cells",
            title="Drawn cells of two kinds",
            app="instances",
            things="pictures",
            modality="GM",
            classes=cells.CLASSES,
            pool=60,
            unseen=16,
            labels=10,
            app_options={"crop": 96, "batch": 2},
            effort=0.4,
            write=_write_cells,
        ),
        Task.CLASSIFICATION: Drawing(
            project="textures",
            title="Drawn textures of tissue",
            app="classification",
            things="pictures",
            modality="OT",
            classes=textures.CLASSES,
            pool=300,
            unseen=100,
            labels=16,
            write=_write_texture,
        ),
    }
)
"""By task."""
