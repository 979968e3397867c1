"""How `/infer` sends an outline: in which file, with which values, as its parameters ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limner.errors import InvalidRequest, UnsupportedFormat
from limner.http.monai_label.annotations.markups import markups_json
from limner.http.monai_label.slices import slice_mask
from limner.images import (
    Header,
    encode_mask,
    mask_suffixes,
    recoded,
)
from limner.images.instance_maps import painted_instances
from limner.loop.predict import Answered
from limner.plugin import Instances, LabelSchema, Mask

_ALIASES = {".seg.nrrd": ".nrrd", ".tiff": ".tif"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a request wants of the file."""

    suffix: str | None
    """Its format; None for that of the image."""
    dtype: str | None
    compress: bool
    restores_values: bool
    """Whether voxels hold the classes' values, and not 1, 2, 3, … in the order of the classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An outline as a file."""

    content: bytes
    suffix: str


def wish_of(params: Mapping[str, Any]) -> Wish:
    """Read what a request's parameters want of the file.

    Raises:
        InvalidRequest: A value of the wrong type.
    """
    suffix, dtype = _text(params, "result_extension"), _text(params, "result_dtype")
    if suffix is not None and not suffix.startswith("."):
        suffix = f".{suffix}"
    return Wish(
        suffix=None if suffix is None else _ALIASES.get(suffix.lower(), suffix.lower()),
        dtype=dtype,
        compress=bool(params.get("result_compress", False)),
        restores_values=bool(params.get("restore_label_idx", False)),
    )


def drawn(answered: Answered, wish: Wish, image_suffix: str) -> Drawn:
    """Write an answer as a file.

    Args:
        answered: The answer, a mask or instances.
        wish: What is wanted.
        image_suffix: Format of the image.

    Raises:
        UnsupportedFormat: The format cannot carry such an answer.
        ImageError: The values do not fit the type.
    """
    header, answer = answered.header, answered.answer
    suffix = wish.suffix or _ALIASES.get(image_suffix, image_suffix)
    if isinstance(answer, Instances):
        is_map = wish.suffix not in (None, ".json")
        if not is_map:
            content = markups_json(answer, header, answered.schema)
            return Drawn(content=content, suffix=".json")
        mask = painted_instances(answer, header, answered.schema)
    elif isinstance(answer, Mask):
        mask = answer if wish.restores_values else in_order(answer, answered.schema)
    else:
        raise UnsupportedFormat("Classes are no outline; they are sent as parameters.")
    if header.kind == "picture" and suffix in mask_suffixes("volume"):
        mask, header = slice_mask(mask, header)
    allowed = mask_suffixes(header.kind)
    if suffix not in allowed:
        if wish.suffix is not None and wish.suffix != image_suffix:
            raise UnsupportedFormat(
                f"result_extension is {wish.suffix!r}; an outline of this {header.kind} is sent "
                f"as one of {', '.join((*allowed, *_more(header)))}."
            )
        suffix = allowed[0]
    content = encode_mask(mask, header, suffix, dtype=wish.dtype, compress=wish.compress)
    return Drawn(content=content, suffix=suffix)


def in_order(mask: Mask, schema: LabelSchema) -> Mask:
    """Number a mask's values 1, 2, 3, … in the order of the classes, as viewers read them."""
    mapping = {
        each.value: place
        for place, each in enumerate(schema.classes, start=1)
        if each.value != place
    }
    return recoded(mask, mapping) if mapping else mask


def is_usual(wish: Wish, schema: LabelSchema, suffix: str) -> bool:
    """Tell whether a stored prediction, in a format, is already what is wanted."""
    keeps_values = wish.restores_values or all(
        each.value == place for place, each in enumerate(schema.classes, start=1)
    )
    is_small = max(each.value for each in schema.classes) <= 255
    fits = wish.dtype is None or (wish.dtype == "uint8" and is_small)
    return keeps_values and fits and suffix == ".nii.gz"


def _more(header: Header) -> tuple[str, ...]:
    return mask_suffixes("volume") if header.kind == "picture" else ()


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 32:
        raise InvalidRequest(f"{name} is {str(value)[:50]!r}; it is a short text.")
    return value
