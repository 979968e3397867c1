"""What there is to do for a comparison: beginnings, arms and bounds, in the order of doing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from limner.simulate.contenders import Contender
from limner.simulate.design import Design

Kind = Literal["beginning", "arm", "bound"]

BOUNDS = ("full", "trivial")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One piece of work that a process does.

    - A *beginning* takes in the images, labels the start set and trains on it: the same for all
      strategies of a seed that begin alike, so it is done once.
    - An *arm* goes on from a copy of its beginning with one strategy, round after round.
    - A *bound* is a training on all labels of the pool, or on labels of other images.
    """

    kind: Kind
    key: str
    """Names it and its files."""
    seed: int
    rounds: int
    """How many rounds to have in the end."""
    contender: Contender | None = None
    """Of an arm."""
    cold_start: str = ""
    """Of a beginning: what picks."""
    noise: float = 0.0
    after: str = ""
    """Key of the beginning that an arm goes on from."""

    @property
    def units(self) -> int:
        """How much work it is, in trainings."""
        return self.rounds - 1 if self.kind == "arm" else self.rounds

    def record(self, out: Path) -> Path:
        """Return where its results are kept."""
        return out / f"{self.kind}s" / f"{self.key}.json"

    def work(self, out: Path) -> Path:
        """Return its folder of work in progress."""
        return out / "work" / self.key

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> WorkItem:
        """Read what `as_json` gave."""
        contender = stored["contender"]
        made = None if contender is None else Contender(**contender)
        return cls(**{**stored, "contender": made})


def work_items(design: Design) -> Iterator[WorkItem]:
    """List all work of a design, seed by seed, what others wait for first."""
    for seed in range(design.seeds):
        for noise in design.noises:
            opening = dict.fromkeys(each.cold_start for each in design.contenders)
            for cold_start in opening:
                yield _beginning(cold_start, seed, noise)
        if seed < design.bounds:
            for name in BOUNDS:
                yield WorkItem(kind="bound", key=f"{name}-seed{seed}", seed=seed, rounds=1)
        for noise in design.noises:
            for each in design.contenders:
                yield WorkItem(
                    kind="arm",
                    key=_key(each.slug, seed, noise),
                    seed=seed,
                    rounds=design.rounds,
                    contender=each,
                    noise=noise,
                    after=_beginning(each.cold_start, seed, noise).key,
                )


def _beginning(cold_start: str, seed: int, noise: float) -> WorkItem:
    return WorkItem(
        kind="beginning",
        key=_key(f"begun-by-{cold_start}", seed, noise),
        seed=seed,
        rounds=1,
        cold_start=cold_start,
        noise=noise,
    )


def _key(name: str, seed: int, noise: float) -> str:
    return f"{name}-{'mistakes-' if noise else ''}seed{seed}"
