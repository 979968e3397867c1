"""Which labels look wrong to a model that has not learnt from them. In numpy alone; no files.

One file a kind of label. Each gives a label a score in [0, 1], the lowest to be looked at first,
and says in words what the model would have said in its place.
"""

from limner.loop.suspects.classes import judge_classes
from limner.loop.suspects.finding import Finding
from limner.loop.suspects.folds import review_folds
from limner.loop.suspects.masks import judge_mask
from limner.loop.suspects.objects import judge_objects

__all__ = ["Finding", "judge_classes", "judge_mask", "judge_objects", "review_folds"]
