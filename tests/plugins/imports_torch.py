"""An app whose manifest cannot be read without a learning library."""

import torch

from limner.plugin import AppManifest, Task

manifest = AppManifest(
    name="imports-torch",
    version=str(torch.__version__),
    factory=":object",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2}),
    abilities=frozenset(),
    title="Heavy",
    licence="MIT",
)
