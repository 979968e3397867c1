"""Describing many images: one after the other, the next one read while this one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from limner.engine.crew import Crew
from limner.engine.interface import PartWanted
from limner.engine.messages import Command, Describe, DescribePixels, ModelSource, Warm
from limner.engine.tickets import Ticket
from limner.engine.waiting import attend, stopped
from limner.errors import WorkerDied, WorkerTimeout
from limner.images import ImageSource
from limner.plugin import Described, FloatArray, LimnerError, Stopped, Watch

DESCRIBED_AT_ONCE = 2
"""How many images of a `describe` are with the learner: while it computes on one it reads the
next."""

MOST_LOST_IN_A_ROW = 3
"""After so many images on end that cost the learner its life, `describe` gives up."""


def describe_images(
    crew: Crew,
    model: ModelSource,
    images: Sequence[tuple[int, ImageSource]],
    limit_s: float,
    watch: Watch,
    each: Callable[[int, Described | Exception], None],
    parts: Mapping[int, PartWanted],
) -> None:
    """Describe images one by one; see `Engine.describe`.

    Args:
        crew: Its learner does it.
        model: What describes. One that cannot be loaded is an error of its own, not of every image.
        images: With a number each.
        limit_s: Longest time for one image.
        watch: Told nothing, asked whether to stop.
        each: Takes the answers as they come.
        parts: By number, of which images a part is asked for.
    """
    attend(crew.learning, Ticket(Warm(model=model), limit_s=limit_s), watch)
    commands = (
        (number, Describe(model=model, image=image, part=parts.get(number)))
        for number, image in images
    )
    _one_by_one(crew, commands, limit_s, watch, each)


def describe_pixels(
    crew: Crew,
    images: Sequence[tuple[int, ImageSource]],
    limit_s: float,
    watch: Watch,
    each: Callable[[int, FloatArray | Exception], None],
) -> None:
    """Describe images without a model one by one; see `Engine.describe_pixels`.

    Args:
        crew: Its learner does it.
        images: With a number each.
        limit_s: Longest time for one image.
        watch: Told nothing, asked whether to stop.
        each: Takes the answers as they come.
    """
    commands = ((number, DescribePixels(image=image)) for number, image in images)
    _one_by_one(crew, commands, limit_s, watch, each)


def _one_by_one(
    crew: Crew,
    coming: Iterator[tuple[int, Command]],
    limit_s: float,
    watch: Watch,
    each: Callable[[int, Any], None],
) -> None:
    begun: deque[tuple[int, Ticket]] = deque()
    lost = 0
    try:
        while True:
            while len(begun) < DESCRIBED_AT_ONCE and (entry := next(coming, None)):
                number, command = entry
                ticket = Ticket(command, limit_s=limit_s)
                begun.append((number, ticket))
                crew.learning.join(ticket)
            if not begun:
                return
            if watch.should_stop():
                raise Stopped("Stopped between two images.")
            number, ticket = begun[0]
            outcome = _outcome(crew, ticket, watch)
            begun.popleft()
            lost = lost + 1 if isinstance(outcome, WorkerDied | WorkerTimeout) else 0
            each(number, outcome)
            if lost >= MOST_LOST_IN_A_ROW:
                raise cast(LimnerError, outcome)
    finally:
        for _, ticket in begun:
            stopped(crew.learning, ticket)


def _outcome(crew: Crew, ticket: Ticket, watch: Watch) -> object:
    try:
        return attend(crew.learning, ticket, watch, has_joined=True)
    except Stopped:
        raise
    except LimnerError as error:
        if crew.is_leaving:
            raise
        return error
