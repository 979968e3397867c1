"""Images and labels as they are, in two folders: `image` and `label`, with `metadata.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from limner.images import ImageSource, image_suffix
from limner.loop.export_layout import Layout, Part
from limner.plugin import LabelSchema


class Pairs(Layout):
    """No file is changed; of an image in several files, each is there with its number."""

    def __init__(self, title: str, schema: LabelSchema) -> None:
        """Say what the data set is called and which classes it has."""
        self._title = title
        self._schema = schema
        self._last: dict[str, object] = {}
        self._added: list[dict[str, object]] = []

    def parts(self, name: str, source: ImageSource, label: Path, label_format: str) -> list[Part]:
        """Return the files of one sample."""
        many = len(source.paths) > 1
        images = [
            Part(f"image/{name}{f'_{number:04}' if many else ''}{image_suffix(path.name)}", path)
            for number, path in enumerate(source.paths)
        ]
        drawn = Part(f"label/{name}{label_format}", label)
        self._last = {"image": [each.name for each in images], "label": drawn.name}
        return [*images, drawn]

    def add(self, name: str) -> None:
        """Count the sample in whose parts were asked for last."""
        self._added.append(self._last)

    def closing(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield what describes the data set."""
        labels = {each.name: each.value for each in self._schema.classes}
        document = {"name": self._title, "labels": labels, "samples": self._added}
        yield "metadata.json", [json.dumps(document, indent=2).encode()]
