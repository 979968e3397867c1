"""Which format a mask is answered in: the client's `Accept` against what can carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable

from limner.images import MASK_TYPES, mask_suffixes

Kind: TypeAlias = Literal["volume", "picture"]

DEFAULTS: Mapping[Kind, str] = {"volume": ".nii.gz", "picture": ".png"}
"""What is sent when nothing else is asked."""

_ANY_BYTES = "application/octet-stream"


def mask_suffix(kind: Kind) -> str:
    """Choose the suffix of the mask format for this request.

    Args:
        kind: `volume` or `picture`.

    Raises:
        NotAcceptable: Nothing that the client accepts can carry such a mask; the message lists
            what can.
    """
    return choose(request.accept_mimetypes, kind)


def choose(accepted: MIMEAccept, kind: Kind) -> str:
    """Choose by quality; a tie goes to the default, then to the order of `MASK_TYPES`."""
    default = DEFAULTS[kind]
    if not accepted or accepted.quality(_ANY_BYTES) == 1:
        # Nothing said, `*/*` in first place, or plain bytes.
        return default
    offered = {
        media_type: suffix
        for media_type, suffix in MASK_TYPES.items()
        if suffix in mask_suffixes(kind)
    }
    by_preference = sorted(
        offered.items(), key=lambda pair: (-accepted.quality(pair[0]), pair[1] != default)
    )
    if not by_preference or accepted.quality(by_preference[0][0]) <= 0:
        if accepted.quality(_ANY_BYTES) > 0:
            return default
        raise NotAcceptable(
            f"A mask of a {kind} can be sent as {_listed(list(offered))}; ask for one of them in "
            "Accept, or leave it out."
        )
    return by_preference[0][1]


def _listed(media_types: Sequence[str]) -> str:
    return ", ".join(media_types)
