"""The demo's data set on disk: images that the server may see, and labels that it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from limner.demo.drawings import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Where the drawn images are."""

    images: Path
    """The folder to serve."""
    truth: dict[str, Path]
    """Labels of the pool by name, outside that folder."""
    unseen: dict[str, Path]
    """Labels of the unseen cases by name, likewise."""


def write_data_set(
    drawing: Drawing,
    folder: Path,
    seed: int,
    *,
    pool: int,
    unseen: int,
    on_step: Callable[[int, int], None] | None = None,
) -> DataSet:
    """Draw a data set; files that are there are drawn again.

    Args:
        drawing: What to draw.
        folder: Gets `images` and `labels`.
        seed: Decides every pixel.
        pool: How many images to label from.
        unseen: How many that nobody labels.
        on_step: Told how many of all images are done.
    """
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    written = {}
    for index in range(pool + unseen):
        name = f"case-{index + 1:03d}"
        written[name] = drawing.write(seed, index, images, labels, name)
        if on_step is not None:
            on_step(index + 1, pool + unseen)
    names = list(written)
    return DataSet(
        images=images,
        truth={name: written[name] for name in names[:pool]},
        unseen={name: written[name] for name in names[pool:]},
    )
