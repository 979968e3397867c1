"""What an annotator says, in the plain form in which it goes to a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from limner.plugin import Prompt


def plain_prompts(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Return prompts in the contract's own number types, read-only; the caller's stay as they are.

    Whether they lie on the image is for the model to say: nobody has read it here.
    """
    return tuple(
        Prompt(
            points=_read_only(each.points, np.float32),
            positive=_read_only(each.positive, np.bool_),
            boxes=_read_only(each.boxes, np.float32),
            scribble=None if each.scribble is None else _read_only(each.scribble, np.uint8),
            value=int(each.value),
        )
        for each in prompts
    )


def _read_only(array: npt.NDArray[Any], kind: type[np.generic]) -> npt.NDArray[Any]:
    """Return a view, or a copy where the number type is another; not of numpy's own subclasses."""
    plain = np.asarray(array, dtype=kind).view()
    plain.flags.writeable = False
    return plain
