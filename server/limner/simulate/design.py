"""The design of a comparison: everything that decides its results, kept beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from limner.errors import SettingsError
from limner.plugin import LabelClass, LabelSchema, Task
from limner.settings import ProjectSettings
from limner.simulate.contenders import Contender
from limner.simulate.whole_files import read_json, write_json

FILE = "design.json"

_WORDS = {"truth_digest": "the images or their labels", "every_version": "every-version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is compared, on what, and how. Nothing else may change a result."""

    images: str
    """Folder of images."""
    truth: str
    """Where the labels come from, in words."""
    truth_digest: str
    """Changes when an image or a label does."""
    labels: Mapping[str, int]
    """The classes with their values."""
    task: str
    app: str
    app_version: str
    settings: Mapping[str, Any]
    """Of the projects, app options among them; what the comparison itself sets is left out."""
    plugins: Sequence[str]
    """Files and folders of plugins."""
    contenders: Sequence[Contender]
    strategy_versions: Mapping[str, str]
    seeds: int
    """How many: each draws its own start set, validation set and initial weights."""
    start: int
    """Labels at the first training."""
    batch: int
    """Labels between the first two trainings."""
    growth: float
    """Each later batch is so many times as large as the one before; 1 for batches of one size."""
    rounds: int
    """Trainings."""
    test: str
    """Which images are only ever measured on: a share, a number, or `COLUMN=VALUE` of a table."""
    pool: int
    """Most images to pick from, drawn at random; 0 for all."""
    effort: float
    """Fraction of the app's usual training."""
    from_scratch: bool
    """Whether no training starts from the weights of the one before."""
    every_version: bool
    """Whether every trained version serves and is measured, or only those that the gate lets."""
    noise: float
    """Share of mistakes in the labels of the arms with mistakes; 0 for no such arms."""
    bounds: int
    """For so many of the seeds the bounds are trained: on all labels, and on shuffled ones."""

    @property
    def budgets(self) -> list[int]:
        """Labels at each training, validation labels counted."""
        sizes = (round(self.batch * self.growth**each) for each in range(self.rounds - 1))
        return list(accumulate(sizes, initial=self.start))

    @property
    def noises(self) -> tuple[float, ...]:
        """Shares of mistakes that the strategies are run with."""
        return (0.0, self.noise) if self.noise else (0.0,)

    @property
    def schema(self) -> LabelSchema:
        """The classes."""
        classes = sorted(self.labels.items(), key=lambda each: each[1])
        return LabelSchema(
            classes=tuple(LabelClass(name=name, value=value) for name, value in classes),
            exclusive=not self.settings.get("multi_label", False),
        )

    @property
    def project(self) -> ProjectSettings:
        """The projects' settings before the comparison sets its own."""
        return ProjectSettings.model_validate(self.settings)

    @property
    def kind(self) -> Task:
        """The task."""
        return Task(self.task)

    @property
    def digest(self) -> str:
        """Names the design."""
        text = json.dumps(self.as_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Design:
        """Read what `as_json` gave."""
        made = [Contender(**each) for each in stored["contenders"]]
        return cls(**{**stored, "contenders": made})

    def differences(self, other: Design) -> list[str]:
        """Say in words what another design has otherwise."""
        mine, theirs = self.as_json(), other.as_json()
        return [
            _difference(each.name, mine[each.name], theirs[each.name])
            for each in fields(self)
            if mine[each.name] != theirs[each.name]
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a folder of results was begun with."""

    asked: Design
    """As the command said."""
    fitted: Design
    """The same, cut to the time that there is."""
    dropped: Sequence[str] = ()
    """What was cut off, in words."""

    def save(self, folder: Path) -> None:
        """Keep it beside the results."""
        write_json(
            folder / FILE,
            {
                "asked": self.asked.as_json(),
                "fitted": self.fitted.as_json(),
                "dropped": list(self.dropped),
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Kept | None:
        """Read what a folder was begun with; None where it is new.

        Raises:
            SettingsError: What lies there is no design of this Limner.
        """
        stored = read_json(folder / FILE)
        if stored is None:
            return None
        try:
            return cls(
                asked=Design.from_json(stored["asked"]),
                fitted=Design.from_json(stored["fitted"]),
                dropped=tuple(stored["dropped"]),
            )
        except (KeyError, TypeError) as error:
            raise SettingsError(
                f"{folder / FILE} is no design that this Limner can go on with; choose another "
                "folder with --out."
            ) from error


def kept_design(folder: Path, asked: Design) -> Kept:
    """Return the design that a folder goes on with, or the one asked for where it is new.

    Raises:
        SettingsError: The folder was begun with another design.
    """
    kept = Kept.load(folder)
    if kept is None:
        return Kept(asked=asked, fitted=asked)
    changed = kept.asked.differences(asked)
    if changed:
        raise SettingsError(
            f"{folder} was begun with another design: {'; '.join(changed)}. Ask for the same to go "
            "on with it, or choose another folder with --out."
        )
    return kept


def smaller(design: Design, **values: Any) -> Design:
    """Return a design with some numbers changed."""
    return replace(design, **values)


def _difference(name: str, mine: Any, theirs: Any) -> str:
    words = _WORDS.get(name, name.replace("_", " "))
    if name == "truth_digest":
        return f"{words} have changed"
    if name == "contenders":
        mine, theirs = (", ".join(each["name"] for each in side) for side in (mine, theirs))
        if mine == theirs:
            return "the options of a strategy have changed"
        words = "strategies"
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        names = [each for each in {**mine, **theirs} if mine.get(each) != theirs.get(each)]
        mine, theirs = ({n: side[n] for n in names if n in side} for side in (mine, theirs))
    return f"{words} was {_shown(mine)}, now {_shown(theirs)}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
