"""ASAP XML that is damaged or means harm is refused by name, soon and in little memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.errors import (
    ImageError,
    ImageTooLarge,
    InvalidLabelValues,
    UnreadableImage,
)
from limner.http.monai_label.annotations import asap_document, drawn_labels
from limner.http.monai_label.annotations.asap import read_asap
from limner.images import Header
from limner.plugin import Instances, LabelSchema, Mask, Task

SCHEMA = LabelSchema.of("cell")
POINTS = "".join(f'<Coordinate X="{x}" Y="{y}" />' for x, y in ((0, 0), (9, 0), (9, 9)))


def whole(inside: str, head: str = "") -> bytes:
    return (
        f"{head}<ASAP_Annotations><Annotations>{inside}</Annotations></ASAP_Annotations>".encode()
    )


def annotation(points: str = POINTS, attributes: str = 'Name="cell" Type="Polygon"') -> str:
    return f"<Annotation {attributes}><Coordinates>{points}</Coordinates></Annotation>"


@pytest.fixture
def read(picture: Callable[..., Header]) -> Callable[..., Mask | Instances]:
    def read(content: bytes, task: Task = Task.SEGMENTATION, **bounds: int) -> Mask | Instances:
        return read_asap(content, picture(), SCHEMA, task, **bounds)

    return read


def test_a_sound_document_is_read(read: Callable[..., Mask]) -> None:
    assert read(whole(annotation())).array.sum() == 45


LAUGHS = "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' if n else '<!ENTITY a0 "ha">' for n in range(10)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (whole(annotation(), f"<!DOCTYPE x [{LAUGHS}]>"), "DOCTYPE"),
        (whole("&a9;", f"<!DOCTYPE x [{LAUGHS}]>"), "DOCTYPE"),
        (whole("&f;", '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'), "DOCTYPE"),
        (whole("", '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">'), "DOCTYPE"),
        (whole("", "<!DOCTYPE ASAP_Annotations>").decode().encode("utf-16"), "DOCTYPE"),
        (whole("&undefined;"), "undefined entity in line 1"),
        (whole(annotation())[:-5], "no sound XML"),
        (b"", "no sound XML"),
        (b"\x89PNG\r\n\x1a\n", "no sound XML"),
        (b'{"annotations": []}', "no sound XML"),
        (whole("", '<?xml version="1.0" encoding="no-such"?>'), "cannot be read|no sound XML"),
        (whole("", '<?xml version="1.0" encoding="utf-7"?>'), "cannot be read|no sound XML"),
        (whole("<Annotation Name='\xff'>").decode().encode("latin-1"), "no sound XML"),
        (b"<html></html>", "start with <html>"),
        (b"<ASAP_Annotations>" + b"<a>" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_plain_document_is_unreadable(
    content: bytes, said: str, read: Callable[..., Mask]
) -> None:
    with pytest.raises(UnreadableImage, match=said):
        read(content)


@pytest.mark.parametrize(
    "point",
    ['X="nan" Y="1"', 'X="1" Y="inf"', 'X="1e300" Y="1"', 'X="" Y="1"', 'Y="1"', 'X="0x10" Y="1"',
     'X="1,5" Y="1"', 'X="-2e9" Y="1"'],
)  # fmt: skip
def test_coordinates_must_be_places(point: str, read: Callable[..., Mask]) -> None:
    with pytest.raises(UnreadableImage, match="no place on a picture"):
        read(whole(annotation(POINTS + f"<Coordinate {point} />")))


@pytest.mark.parametrize("order", ["-1", "nan", "9" * 400, "", "x"])
def test_any_order_can_be_read(order: str, read: Callable[..., Mask]) -> None:
    extra = f'<Coordinate Order="{order}" X="0" Y="9" />'
    assert read(whole(annotation(POINTS + extra))).array.any()


def test_far_coordinates_cost_nothing(read: Callable[..., Mask]) -> None:
    far = "".join(
        f'<Coordinate X="{x}" Y="{y}" />' for x, y in ((-1e9, -1e9), (1e9, -1e9), (0, 1e9))
    )
    assert read(whole(annotation(far))).array.all()


@pytest.mark.parametrize("task", [Task.SEGMENTATION, Task.INSTANCES])
@pytest.mark.parametrize(
    ("drawing", "said"),
    [
        (annotation('<Coordinate X="1" Y="1" />' * 2), "2 points; an outline needs three"),
        (annotation(""), "0 points"),
        (annotation(attributes='Name="cell" Type="Polyline"'), "Polyline, which encloses no area"),
        (annotation(attributes=""), r"1 \(''\).*no class"),
    ],
)
def test_drawings_that_are_no_area_of_a_class_are_named(
    drawing: str, said: str, task: Task, read: Callable[..., Mask]
) -> None:
    with pytest.raises(InvalidLabelValues, match=said):
        read(whole(drawing), task)


def test_a_drawing_without_extent_covers_nothing(read: Callable[..., Mask]) -> None:
    dot = annotation('<Coordinate X="5.5" Y="5.5" />' * 3)
    assert read(whole(dot + annotation())).array.sum() == 45
    for kind in ("Ellipse", "Geometry"):
        drawn = annotation('<Coordinate X="5" Y="5" />' * 4, f'Name="cell" Type="{kind}"')
        assert read(whole(drawn + annotation())).array.sum() == 45


def test_points_are_counted_over_all_drawings(
    read: Callable[..., Mask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asap_document, "MOST_POINTS", 8)
    assert read(whole(annotation() * 2)).array.any()
    with pytest.raises(UnreadableImage, match="more than 8 points"):
        read(whole(annotation() * 3))


def test_documents_objects_and_fillings_are_bounded(
    read: Callable[..., Mask], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = whole(annotation() * 3)
    assert read(content, most_pixels=3 * 81).array.any()
    with pytest.raises(ImageTooLarge, match="span 243 pixels"):
        read(content, most_pixels=3 * 81 - 1)
    monkeypatch.setattr(drawn_labels, "MOST_INSTANCES", 2)
    with pytest.raises(ImageTooLarge, match="at most 2 objects"):
        read(content, Task.INSTANCES)
    monkeypatch.setattr(drawn_labels, "MOST_CROSSINGS", 10)
    with pytest.raises(ImageTooLarge, match="cross 54 rows"):
        read(content)
    monkeypatch.setattr(asap_document, "MOST_BYTES", len(content) - 1)
    with pytest.raises(ImageTooLarge, match="as XML at most"):
        read(content)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_damage_raises_nothing_but_image_errors(
    read: Callable[..., Mask], data: st.DataObject
) -> None:
    content = bytearray(whole(annotation() + annotation(attributes='Name="CELL" Type="Geometry"')))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    for task in (Task.SEGMENTATION, Task.INSTANCES):
        with suppress(ImageError):
            read(bytes(content), task)
