"""A trained version before it is decided on: how it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from limner.engine import CaseSource, Engine, ModelRef
from limner.loop.crossvalidation import merged
from limner.plugin import Evaluation, Watch


class Candidate(Protocol):
    """What can be measured on cases that it was not trained on."""

    def measure(self, cases: Sequence[CaseSource], watch: Watch) -> Evaluation | None:
        """Score the cases; None when it can score none of them."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """The version itself, measured on a validation set; once on each set of cases."""

    engine: Engine
    model: ModelRef
    _measured: dict[tuple[str, ...], Evaluation] = field(default_factory=dict)

    def measure(self, cases: Sequence[CaseSource], watch: Watch) -> Evaluation | None:
        """Score the cases."""
        ids = tuple(case.id for case in cases)
        if ids and ids not in self._measured:
            self._measured[ids] = self.engine.evaluate(self.model, cases, watch)
        return self._measured.get(ids)


@dataclass(frozen=True, slots=True)
class FoldModel:
    """The model of one fold, with the ids of the cases that it was not trained on."""

    model: ModelRef
    held_out: frozenset[str]


@dataclass(frozen=True, slots=True)
class Folded:
    """The same training on parts of the labels, each measured on the part it did not see."""

    engine: Engine
    folds: Sequence[FoldModel]

    def measure(self, cases: Sequence[CaseSource], watch: Watch) -> Evaluation | None:
        """Score those of the cases that some fold held out."""
        parts = []
        for fold in self.folds:
            mine = [case for case in cases if case.id in fold.held_out]
            if mine:
                parts.append(self.engine.evaluate(fold.model, mine, watch))
        return merged(parts) if parts else None
