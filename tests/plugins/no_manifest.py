"""A module that forgot to say what it is."""

from limner.plugin import Task

TASK = Task.SEGMENTATION
