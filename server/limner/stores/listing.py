"""Listing one folder: image names and subfolders, with as few system calls as there can be."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from limner.images import image_suffix
from limner.stores.entries import Problem

_DOCUMENT = ".json"
_PASSING = (".tmp", ".part", ".partial", ".crdownload")
"""Endings of files that are still being written."""

_DOCUMENT = ".json"


@dataclass(slots=True, kw_only=True)
class Listing:
    """The names in one folder that matter, sorted."""

    folder: str
    """Path inside the root with forward slashes; empty for the root itself."""
    images: list[tuple[str, str]] = field(default_factory=list)
    """Stem and suffix as written, such as `("Patient 1", ".NII.GZ")`."""
    documents: list[tuple[str, str]] = field(default_factory=list)
    """Stem and suffix of JSON files, which may be labels; no links."""
    companions: set[str] = field(default_factory=set)
    """Names of files that a `.mhd` may keep its pixels in."""
    folders: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def inside(self, name: str) -> str:
        """Return the path inside the root of a name in this folder."""
        return f"{self.folder}/{name}" if self.folder else name


def list_folder(root: str, folder: str) -> Listing:
    """List one folder. A folder that is gone is empty; one that cannot be read is a problem.

    Args:
        root: Absolute path, links in it resolved.
        folder: Path inside the root with forward slashes.
    """
    listing = Listing(folder=folder)
    try:
        with os.scandir(os.path.join(root, folder)) as found:
            for item in found:
                if not item.name.startswith("."):
                    _sort_in(listing, item, root)
    except (FileNotFoundError, NotADirectoryError):
        return Listing(folder=folder)
    except OSError as error:
        listing.problems.append(
            Problem(
                path=_printable(folder) or ".",
                problem=f"The folder cannot be read: {error.strerror or error}.",
            )
        )
    listing.images.sort()
    listing.documents.sort()
    listing.documents.sort()
    listing.folders.sort()
    return listing


def walk(root: str, excluded: Collection[str] = ()) -> Iterator[Listing]:
    """List a folder and all below it, parents first, in a fixed order.

    Args:
        root: Absolute path, links in it resolved.
        excluded: Paths inside the root that are left out, with all below them.
    """
    waiting = [""]
    while waiting:
        listing = list_folder(root, waiting.pop())
        yield listing
        below = map(listing.inside, reversed(listing.folders))
        waiting += [folder for folder in below if folder not in excluded]


def _sort_in(listing: Listing, item: os.DirEntry[str], root: str) -> None:
    name = item.name
    is_folder = item.is_dir(follow_symlinks=False)
    suffix = None if is_folder else image_suffix(name)
    if suffix is None and not is_folder:
        if name.lower().endswith((".raw", ".zraw")):
            listing.companions.add(name)
            return
        if name.lower().endswith(_DOCUMENT) and item.is_file(follow_symlinks=False):
            if _printable(name) == name:
                listing.documents.append((name[: -len(_DOCUMENT)], name[-len(_DOCUMENT) :]))
            return
        # A link to a folder has a folder's name; any other file is none of ours.
        if not item.is_symlink() or not item.is_dir():
            return
    if not name.isascii() and _printable(name) != name:
        _say(listing, name, "The name is not valid UTF-8; rename it.")
    elif item.is_symlink():
        _follow(listing, item, root, suffix)
    elif is_folder:
        listing.folders.append(name)
    elif suffix and item.is_file(follow_symlinks=False) and not name.lower().endswith(_PASSING):
        listing.images.append((name[: -len(suffix)], name[-len(suffix) :]))


def _follow(listing: Listing, item: os.DirEntry[str], root: str, suffix: str | None) -> None:
    """Take in a link to a file below the root; say why any other is left out."""
    target = os.path.realpath(item.path)
    if target != root and not target.startswith(root.rstrip(os.sep) + os.sep):
        _say(listing, item.name, "The link leads out of the folder, so it is not followed.")
    elif suffix is None or os.path.isdir(target):
        _say(listing, item.name, "Links to folders are not followed; put the images here.")
    elif not os.path.isfile(target):
        _say(listing, item.name, "The link leads nowhere.")
    else:
        listing.images.append((item.name[: -len(suffix)], item.name[-len(suffix) :]))


def _say(listing: Listing, name: str, problem: str) -> None:
    listing.problems.append(Problem(path=_printable(listing.inside(name)), problem=problem))


def _printable(name: str) -> str:
    """Return a name that can be written down, whatever bytes it has on the disk."""
    return os.fsencode(name).decode("utf-8", errors="replace")
