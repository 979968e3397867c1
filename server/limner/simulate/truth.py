"""The labels that are known, with what each costs, kept in a list beside the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limner.images import ImageSource, read_label
from limner.plugin import Answer, LabelSchema, Task
from limner.settings import Limits
from limner.simulate.costs import Cost
from limner.simulate.whole_files import read_json, write_json
from limner.stores.folder import FolderStore

LIST = "truth.json"
_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An image whose label is known."""

    name: str
    """As the store calls it."""
    files: tuple[str, ...]
    """Inside the store."""
    label: Path
    suffix: str
    """Format of the label."""
    cost: Cost
    stratum: str
    """Of a classification, its classes; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All that is known of a folder of images."""

    images: Path
    modality: str
    known: Mapping[str, Known]
    """By name, in the order of the names."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """What cannot be used, with the reason, by place."""

    def source(self, name: str) -> ImageSource:
        """Return where an image lies, for whoever reads it."""
        files = self.known[name].files
        return FolderStore(self.images).source(files, _LIMITS, self.modality, name)

    def answer(self, name: str, schema: LabelSchema, task: Task) -> Answer:
        """Read the label of an image.

        Raises:
            ImageError: It, or the image's header, cannot be read any more.
        """
        known = self.known[name]
        header = self.source(name).header()
        return read_label(known.label, known.suffix, header, schema, task, _LIMITS)

    def save(self, folder: Path, digest: str) -> None:
        """Keep the list, so that it need not be made again."""
        known = [
            {
                "name": each.name,
                "files": list(each.files),
                "label": str(each.label),
                "suffix": each.suffix,
                "cost": each.cost.as_json(),
                "stratum": each.stratum,
            }
            for each in self.known.values()
        ]
        content = {
            "digest": digest,
            "images": str(self.images),
            "modality": self.modality,
            "known": known,
            "problems": dict(self.problems),
        }
        write_json(folder / LIST, content, indent=None)

    @classmethod
    def load(cls, folder: Path, digest: str) -> Truth | None:
        """Read the list; None where there is none of these very labels."""
        stored = read_json(folder / LIST)
        if stored is None or stored["digest"] != digest:
            return None
        return cls(
            images=Path(stored["images"]),
            modality=stored["modality"],
            known={each["name"]: _known(each) for each in stored["known"]},
            problems=stored["problems"],
        )


def _known(stored: Mapping[str, Any]) -> Known:
    return Known(
        name=stored["name"],
        files=tuple(stored["files"]),
        label=Path(stored["label"]),
        suffix=stored["suffix"],
        cost=Cost.from_json(stored["cost"]),
        stratum=stored["stratum"],
    )
