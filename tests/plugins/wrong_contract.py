"""An app made for another contract, with more mistakes beside."""

from limner.plugin import AppManifest, Option, Task

manifest = AppManifest(
    name="From The Future",
    version="",
    factory="nowhere",
    task=Task.SEGMENTATION,
    dimensions=frozenset({4}),
    abilities=frozenset(),
    title="Made for version 2",
    licence="MIT",
    options={"depth": Option(default=9, help="Levels.", maximum=5)},
    contract="2.0",
)
