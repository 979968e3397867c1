"""Whether a label was given before: the same file, by the same author, for the same part."""

from __future__ import annotations

from collections.abc import Sequence

from limner.loop.answering import Given
from limner.loop.regions import stored
from limner.plugin import Region
from limner.records.rows import Label, LabelState
from limner.stores.blobs import Blob


def given_before(
    labels: Sequence[Label], blob: Blob, given: Given, region: Region | None = None
) -> Label | None:
    """Return the label that is given once more: the author's newest, if it has the same bytes.

    What a tag names must be what was given under it last, whoever gave it. A label that was
    rejected or taken back does not stand: who gives its bytes again means them to count.
    """
    same_tag = (each for each in labels if each.tag == given.tag)
    newest = next((each for each in same_tag if given.tag or each.author == given.author), None)
    if newest is None or newest.state == LabelState.REJECTED:
        return None
    is_part = newest.submitted_sha256 is not None
    file = (
        (newest.submitted_sha256, newest.submitted_format)
        if is_part
        else (newest.sha256, newest.format)
    )
    is_same = (newest.author, *file, newest.region) == (
        given.author,
        blob.sha256,
        given.format,
        stored(region),
    )
    return newest if is_same else None
