"""A folder of images, as people have them on a disk or a share."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from limner.errors import NotFound
from limner.images import IMAGE_SUFFIXES, LATEST_NS, ImageSource
from limner.settings import Limits
from limner.stores.channels import grouped
from limner.stores.entries import Entry, Problem
from limner.stores.listing import Listing, list_folder, walk
from limner.stores.monai_label_folder import labels_folder
from limner.stores.uploads import take_in
from limner.stores.watching import Watcher


class FolderStore:
    """The images below one folder. Reading needs no right to write there.

    Names are paths inside the folder, with forward slashes whatever the system. In a folder that a
    MONAI Label server has used, its folder of labels holds no images.
    """

    def __init__(self, root: Path, *, exclude: Sequence[Path] = ()) -> None:
        """Use a folder; it need not be there yet.

        Args:
            root: The folder.
            exclude: Folders that hold no images even if they lie below it, such as that of the
                finished labels.
        """
        self.root = root.absolute()
        self._exclude = tuple(exclude)

    def scan(self, folders: Collection[str] | None = None) -> Iterator[Entry | Problem]:
        """Find the samples by the names of their files. No file is opened.

        A root that is not there yields one problem of path `.` and no sample.

        Args:
            folders: Only these, each without the folders below it; paths inside the store, empty
                for the store itself. None looks everywhere.
        """
        root = os.path.realpath(self.root)
        if not os.path.isdir(root):
            yield Problem(
                path=".",
                problem=f"The folder {self.root} is not there. Bring it back, or mount its disk.",
            )
            return
        excluded = self._excluded(root)
        if folders is not None:
            for folder in sorted(set(folders)):
                if self._is_ours(folder, excluded):
                    yield from self._found(root, list_folder(root, folder), None)
            return
        taken: set[str] = set()
        for listing in walk(root, excluded):
            if listing.folder in taken:
                taken.discard(listing.folder)
                yield from self._found(root, listing, True)
            else:
                yield from self._found(root, listing, False)
            if listing.folders and listing.images:
                stems = {stem for stem, _ in listing.images}
                taken.update(
                    listing.inside(folder) for folder in listing.folders if folder in stems
                )

    def labels(
        self, folder: Path, *, images: bool = True, documents: bool = False
    ) -> Iterator[tuple[str, Path]]:
        """Find finished labels below a folder that is laid out like this store.

        Yields the name of the image that a label belongs to, and the label's file. 3D Slicer's
        `NAME.seg.nrrd` belongs to `NAME`. Of one label in two formats the first by name counts.

        Args:
            folder: The folder.
            images: Whether a label may be a file that could be an image.
            documents: Whether a label may be a JSON file.
        """
        root = os.path.realpath(folder)
        for listing in walk(root):
            seen = set()
            found = listing.images if images else []
            for stem, suffix in sorted(found + (listing.documents if documents else [])):
                name = stem
                if suffix.lower() == ".nrrd" and stem.lower().endswith(".seg"):
                    name = stem[: -len(".seg")]
                if name and name not in seen:
                    seen.add(name)
                    yield listing.inside(name), Path(root, listing.folder, stem + suffix)

    def inside(self, folder: Path) -> str | None:
        """Return the path of a folder inside this store, empty for the store; None for others."""
        path = os.path.relpath(os.path.realpath(folder), os.path.realpath(self.root))
        if path == os.curdir:
            return ""
        return None if path.split(os.sep)[0] == os.pardir else path.replace(os.sep, "/")

    def source(self, files: Sequence[str], limits: Limits, modality: str, name: str) -> ImageSource:
        """Say where the files of one sample lie. Nothing is opened.

        Raises:
            NotFound: A path leads out of the store, or names nothing.
        """
        if not files:
            raise NotFound(f"Sample {name!r} has no file.")
        paths = tuple(self._inside(file) for file in files)
        return ImageSource(paths=paths, name=name, modality=modality, limits=limits)

    def add(self, filename: str, stream: BinaryIO, limits: Limits) -> Entry:
        """Take in an uploaded image at the top of the store. Nothing is ever overwritten.

        Raises:
            InvalidRequest: The file name cannot be used.
            ImageError: No image, damaged, or over the limits.
            Conflict: There is an image of that name, or the folder cannot be written.
            StorageFull: The disk is full.
        """
        return take_in(self.root, filename, stream, limits)

    def watch(
        self, on_change: Callable[[set[str] | None], None], *, poll_s: float | None = None
    ) -> Watcher:
        """Tell of files that appear, change or vanish, until the watcher is stopped.

        Args:
            on_change: Called from one thread with the paths of the changed images inside the
                store, or with None when all has to be looked at. `scan` of their folders shows what
                became of them. A file is told once it has not grown for a moment.
            poll_s: Look every so many seconds instead of being told by the system, for shares that
                tell nothing.
        """
        return Watcher(self.root, on_change, self._snapshot, poll_s=poll_s)

    def _excluded(self, root: str) -> frozenset[str]:
        labels = labels_folder(Path(root))
        exclude = self._exclude if labels is None else (*self._exclude, labels)
        inside = (os.path.relpath(os.path.realpath(path), root) for path in exclude)
        return frozenset(path.replace(os.sep, "/") for path in inside)

    def _is_ours(self, folder: str, excluded: frozenset[str]) -> bool:
        parts = PurePosixPath(folder).parts
        above = {"/".join(parts[: count + 1]) for count in range(len(parts))}
        is_hidden = any(part.startswith(".") or part == "/" for part in parts)
        return not is_hidden and not above & excluded

    def _found(
        self, root: str, listing: Listing, is_taken: bool | None
    ) -> Iterator[Entry | Problem]:
        """Yield the samples of one folder.

        Args:
            root: Of the store.
            listing: Of the folder.
            is_taken: Whether an image beside the folder has the folder's name; None to look.
        """
        yield from listing.problems
        files: list[tuple[str, str]] = []
        before: str | None = None
        for stem, suffix in listing.images:
            if stem == before:
                yield Problem(
                    path=listing.inside(stem + suffix),
                    problem=f"Image in two formats: {stem + files[-1][1]} is the sample, this file "
                    "is not used. Remove one of them.",
                )
                continue
            before = stem
            files.append((stem, suffix))
        for inner, names in grouped(files, is_root=not listing.folder):
            name = listing.folder if inner is None else listing.inside(inner)
            if inner is None and (_has_image(root, name) if is_taken is None else is_taken):
                yield Problem(
                    path=name,
                    problem="A folder of channels and an image have the same name; the image is "
                    "the sample. Rename one of them.",
                )
            elif entry := _entry(root, listing, name, names):
                yield entry

    def _inside(self, file: str) -> Path:
        parts = PurePosixPath(file)
        if "\0" not in file and not parts.is_absolute() and ".." not in parts.parts:
            path = self.root.joinpath(*parts.parts)
            root = os.path.realpath(self.root)
            if os.path.realpath(path).startswith(root.rstrip(os.sep) + os.sep):
                return path
        raise NotFound(f"{file!r} is no file of this store.")

    def _snapshot(self) -> dict[str, tuple[int, int]]:
        """Return size and time of every image, by path."""
        found = {}
        for entry in self.scan():
            if isinstance(entry, Entry):
                for file in entry.files:
                    found[file] = (entry.size_bytes, entry.modified_ns)
        return found


def _has_image(root: str, name: str) -> bool:
    return any(os.path.isfile(os.path.join(root, name + suffix)) for suffix in IMAGE_SUFFIXES)


def _entry(root: str, listing: Listing, name: str, names: list[str]) -> Entry | None:
    """Look at size and time of a sample's files; None when one vanished meanwhile."""
    size, modified = 0, 0
    folder = os.path.join(root, listing.folder) if listing.folder else root
    counted = names
    if listing.companions and names[0][-4:].lower() == ".mhd":
        beside = {names[0][:-4] + end for end in (".raw", ".zraw")} & listing.companions
        counted = [*names, *beside]
    try:
        for each in counted:
            status = os.stat(f"{folder}/{each}")
            size += status.st_size
            modified = max(modified, min(status.st_mtime_ns, LATEST_NS))
    except OSError:
        return None
    return Entry(
        name=name,
        files=tuple(map(listing.inside, names)),
        size_bytes=size,
        modified_ns=modified,
    )
