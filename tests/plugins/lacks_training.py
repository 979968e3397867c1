"""An app that says it trains, and cannot."""

from __future__ import annotations

from limner.plugin import Ability, AppManifest, LoadRequest, Predicts, Task, UnsuitableInput

manifest = AppManifest(
    name="lacks-training",
    version="1.0.0",
    factory=":LacksTraining",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2}),
    abilities=frozenset({Ability.TRAIN}),
    title="Says that it trains",
    licence="MIT",
)


class LacksTraining:
    """Has no `train`."""

    def load(self, request: LoadRequest) -> Predicts:
        raise UnsuitableInput("Nothing was ever trained.")
