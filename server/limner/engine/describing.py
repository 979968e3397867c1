"""Describing many images, the next read while one is computed, or small ones several together."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from limner.engine.crew import Crew
from limner.engine.failures import raised
from limner.engine.interface import PartWanted
from limner.engine.messages import (
    Command,
    Describe,
    DescribePixels,
    DescribeTogether,
    Failure,
    ModelSource,
    Warm,
)
from limner.engine.tickets import Ticket
from limner.engine.waiting import attend, stopped
from limner.errors import WorkerDied, WorkerTimeout
from limner.images import ImageSource
from limner.plugin import Described, FloatArray, LimnerError, Stopped, Watch

DESCRIBED_AT_ONCE = 2
"""How many images of a `describe` are with the learner: while it computes on one it reads the
next."""

MOST_TOGETHER = 32
"""Most images that a model which can describes together."""

MOST_BYTES_TOGETHER = 2**18
"""Most bytes of their files: for larger images the model is busy with one. The time that they take
must not decide, else the same pool would not be described twice alike, to the last bit."""

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
    is_together = attend(crew.learning, Ticket(Warm(model=model), limit_s=limit_s), watch)
    groups = _groups(images) if is_together and not parts else ([each] for each in images)
    commands = ((tuple(n for n, _ in group), _describe(model, group, parts)) for group in groups)
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
    commands = (((number,), DescribePixels(image=image)) for number, image in images)
    _one_by_one(crew, commands, limit_s, watch, each)


def _describe(
    model: ModelSource,
    group: Sequence[tuple[int, ImageSource]],
    parts: Mapping[int, PartWanted],
) -> Command:
    if len(group) == 1:
        ((number, image),) = group
        return Describe(model=model, image=image, part=parts.get(number))
    return DescribeTogether(model=model, images=tuple(image for _, image in group))


def _groups(
    images: Sequence[tuple[int, ImageSource]],
) -> Iterator[Sequence[tuple[int, ImageSource]]]:
    """Yield neighbours that are small enough to go together."""
    group: list[tuple[int, ImageSource]] = []
    room = MOST_BYTES_TOGETHER
    for each in images:
        size = _file_bytes(each[1])
        if group and (size > room or len(group) == MOST_TOGETHER):
            yield group
            group, room = [], MOST_BYTES_TOGETHER
        group.append(each)
        room -= size
    if group:
        yield group


def _file_bytes(image: ImageSource) -> int:
    try:
        return sum(path.stat().st_size for path in image.paths)
    except OSError:
        return MOST_BYTES_TOGETHER  # alone: what is wrong with it is told when it is read


def _one_by_one(
    crew: Crew,
    coming: Iterator[tuple[tuple[int, ...], Command]],
    limit_s: float,
    watch: Watch,
    each: Callable[[int, Any], None],
) -> None:
    """Have commands done in order, each of one image or of several, by their numbers."""
    begun: deque[tuple[tuple[int, ...], Ticket]] = deque()
    lost = 0
    try:
        while True:
            while len(begun) < DESCRIBED_AT_ONCE and (entry := next(coming, None)):
                numbers, command = entry
                ticket = Ticket(command, limit_s=limit_s * len(numbers))
                begun.append((numbers, ticket))
                crew.learning.join(ticket)
            if not begun:
                return
            if watch.should_stop():
                raise Stopped("Stopped between two images.")
            numbers, ticket = begun[0]
            outcome = _outcome(crew, ticket, watch)
            begun.popleft()
            command = ticket.command
            if isinstance(command, DescribeTogether):
                if isinstance(outcome, Exception):
                    # One of them is to blame: alone, it takes no other with it.
                    pairs = zip(numbers, command.images, strict=True)
                    alone = [((n,), Describe(model=command.model, image=i)) for n, i in pairs]
                    coming = itertools.chain(alone, coming)
                    continue
                for number, answer in zip(numbers, cast(tuple[Any, ...], outcome), strict=True):
                    each(number, raised(answer) if isinstance(answer, Failure) else answer)
                lost = 0
                continue
            lost = lost + 1 if isinstance(outcome, WorkerDied | WorkerTimeout) else 0
            each(numbers[0], outcome)
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
