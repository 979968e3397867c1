"""An app with libraries of its own: a small U-Net in Keras, in an interpreter that has TensorFlow.

The server reads this module only, and knows nothing of Keras. Workers of this app run in the Python
that the manifest names; limner and what `requirements.txt` lists are installed there.
"""

from __future__ import annotations

import os

from limner.plugin import Ability, AppManifest, Option, Task

manifest = AppManifest(
    name="keras-unet",
    version="1.0.0",
    factory="keras_unet.app:KerasUnet",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE}),
    title="Slices by a small U-Net in Keras",
    licence="Apache-2.0",
    options={
        "steps": Option(default=400, minimum=1, maximum=100_000, help="Steps of a training."),
        "width": Option(
            default=16, minimum=8, maximum=128, help="Channels of the network's first level."
        ),
    },
    python=os.environ.get("LIMNER_KERAS_PYTHON", ".venv/bin/python"),
)
