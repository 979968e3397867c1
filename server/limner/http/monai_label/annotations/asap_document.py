"""ASAP XML from strangers, parsed safely: what was drawn, as outlines in pixels.

A document that declares a type or entities is refused, so nothing in it can expand or name a file;
it is read piece by piece, and its outlines are counted as they come. QuPath writes a few things in
its own way, and they are understood: an ellipse as four points, an area of several rings as one row
of points, coordinates cut to whole pixels.

Format: https://github.com/computationalpathologygroup/ASAP, its XML annotations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from limner.errors import ImageTooLarge, InvalidLabelValues, UnreadableImage

MOST_BYTES = 128 * 2**20
MOST_POINTS = 1_000_000
FARTHEST = 1e9
"""Largest coordinate, in pixels: no picture is as wide."""

_ROOT = "ASAP_Annotations"
_DEEPEST = 64
"""Elements inside of each other; five are needed, and a parser keeps all that are open."""
_NO_AREA = ("Dot", "Line", "Measurement", "Points", "PointSet", "Polyline")
"""What ASAP and QuPath call drawings that enclose nothing."""
_ELLIPSE, _RINGS = "Ellipse", "Geometry"
_ELLIPSE_CORNERS = (16, 360)
"""Fewest and most of an ellipse; between them one for every two pixels along it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """One closed drawing of a document."""

    where: str
    """Which it is, for messages."""
    name: str
    group: str
    polygons: tuple[npt.NDArray[np.float64], ...]
    """At least one, each (n, 2) with x and y in pixels; together by the even-odd rule."""


def drawings(content: bytes) -> list[Drawn]:
    """Read a document.

    Raises:
        UnreadableImage: No XML, no ASAP, a document type, coordinates that are no numbers or lie
            farther than `FARTHEST`, or over `MOST_POINTS` of them.
        InvalidLabelValues: A drawing that encloses nothing: a line, or fewer than three points.
        ImageTooLarge: Over `MOST_BYTES`.
    """
    if len(content) > MOST_BYTES:
        raise ImageTooLarge(
            f"The annotations have {len(content):,} bytes; as XML at most {MOST_BYTES:,} are read."
        )
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise UnreadableImage(
            f"The annotations are no sound XML: {expat.ErrorString(error.code)} in line "
            f"{error.lineno}. Save them again."
        ) from error
    except (LookupError, ValueError) as error:  # encodings that Python does not know
        raise UnreadableImage(f"The annotations cannot be read as XML: {error}.") from error
    return reader.drawn


class _Reader:
    """Collects drawings while a document is parsed."""

    def __init__(self) -> None:
        self.drawn: list[Drawn] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._depth = 0
        self._annotation: dict[str, str] = {}
        self._points: list[tuple[float, float, float]] = []
        self._count = 0

    def _refuse(self, *_: object) -> None:
        raise UnreadableImage(
            "The annotations declare a document type (<!DOCTYPE), which is not read: it may hold "
            "entities that expand without end. Save them without."
        )

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if not self._depth and element != _ROOT:
            raise UnreadableImage(
                f"The annotations are no ASAP XML: they start with <{element[:40]}>, not <{_ROOT}>."
            )
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableImage("The annotations are no ASAP XML: they are nested too deep.")
        if element == "Annotation":
            self._annotation, self._points = attributes, []
        elif element == "Coordinate":
            self._counted(1)
            order = attributes.get("Order", "")
            place = float(order) if order.isdecimal() else float(len(self._points))
            x, y = (self._coordinate(attributes, axis) for axis in "XY")
            self._points.append((place, x, y))

    def _end(self, element: str) -> None:
        self._depth -= 1
        if element == "Coordinates":
            self.drawn.append(self._closed())
            self._points = []

    def _counted(self, points: int) -> None:
        self._count += points
        if self._count > MOST_POINTS:
            raise UnreadableImage(
                f"The annotations have more than {MOST_POINTS:,} points. Draw with fewer, or send "
                "a mask."
            )

    def _coordinate(self, attributes: dict[str, str], axis: str) -> float:
        text = attributes.get(axis, "")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= FARTHEST:
            raise UnreadableImage(
                f"The annotations have a point with {axis} {text[:40]!r} in line "
                f"{self.parser.CurrentLineNumber}, which is no place on a picture."
            )
        return value

    def _closed(self) -> Drawn:
        name = self._annotation.get("Name", "")
        kind = self._annotation.get("Type", "")
        where = f"Annotation {len(self.drawn) + 1} ({name[:64]!r})"
        if kind in _NO_AREA:
            raise InvalidLabelValues(
                f"{where} is a {kind}, which encloses no area. Draw it as a polygon, or delete it."
            )
        if len(self._points) < 3:
            raise InvalidLabelValues(
                f"{where} has {len(self._points)} points; an outline needs three."
            )
        # Sorting keeps the order of the document where places are equal.
        points = np.array(sorted(self._points, key=lambda each: each[0]))[:, 1:]
        polygons: tuple[npt.NDArray[np.float64], ...] = (points,)
        if kind == _ELLIPSE:
            polygons = (_ellipse(points),)
            self._counted(len(polygons[0]))
        elif kind == _RINGS:
            polygons = _rings(points)
        group = self._annotation.get("PartOfGroup", "")
        return Drawn(where=where, name=name, group=group, polygons=polygons)


def _ellipse(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return an ellipse by its uppermost, rightmost, lowest and leftmost point."""
    low, high = points.min(axis=0), points.max(axis=0)
    count = int(np.clip((high - low).sum(), *_ELLIPSE_CORNERS))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray((low + high) / 2 + circle * (high - low) / 2)


def _rings(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Split a row of points where rings close: each ends with the point that it starts with."""
    # Cutting to whole pixels lets neighbours coincide, which closes no ring.
    apart = np.append(True, (points[1:] != points[:-1]).any(axis=1))
    points = points[apart]
    places = points.tolist()
    rings, start = [], 0
    for end in range(1, len(places)):
        if end > start and places[end] == places[start]:
            rings.append(points[start:end])
            start = end + 1
    return (*rings, points[start:]) if start < len(points) else tuple(rings)
