"""Which shape an answer is sent in: the client's `Accept` against what can carry it."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable

from limner.images import MASK_TYPES, mask_suffixes
from limner.images.suffixes import Kind
from limner.plugin import Task

JSON = "application/json"
COCO = "application/vnd.coco+json"
"""A data set of one image, as COCO has it; nobody has registered a media type for that."""

_ANY_BYTES = "application/octet-stream"


def mask_types(kind: Kind) -> dict[str, str]:
    """Return the media types that a mask can be sent as, with their suffixes, the usual first."""
    suffixes = mask_suffixes(kind)
    types = {media: suffix for media, suffix in MASK_TYPES.items() if suffix in suffixes}
    return dict(sorted(types.items(), key=lambda each: suffixes.index(each[1])))


def answer_types(task: Task, kind: Kind) -> dict[str, str]:
    """Return the media types that a prediction can be sent as, with the suffix of each.

    The first is sent where nothing else is asked for.
    """
    if task is Task.CLASSIFICATION:
        return {JSON: ".json"}
    if task is Task.INSTANCES and kind == "picture":
        return {JSON: ".json", COCO: ".json", **mask_types(kind)}
    return mask_types(kind)


def asked_type(offered: Mapping[str, str]) -> str:
    """Choose the media type for this request.

    Raises:
        NotAcceptable: Nothing that the client accepts is offered; the message lists what is.
    """
    return choose(request.accept_mimetypes, offered)


def choose(accepted: MIMEAccept, offered: Mapping[str, str]) -> str:
    """Choose by quality; a tie goes to the first suffix offered, then to the order of the offer."""
    usual = next(iter(offered))
    if not accepted or accepted.quality(_ANY_BYTES) == 1:
        # Nothing said, `*/*` in first place, or plain bytes.
        return usual
    by_preference = sorted(
        offered, key=lambda each: (-accepted.quality(each), offered[each] != offered[usual])
    )
    if accepted.quality(by_preference[0]) <= 0:
        if accepted.quality(_ANY_BYTES) > 0:
            return usual
        raise NotAcceptable(
            f"This can be sent as {', '.join(offered)}; ask for one of them in Accept, or leave it "
            "out."
        )
    return by_preference[0]
