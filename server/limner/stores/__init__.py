"""Where images and finished labels live: a watched folder, and content-addressed files."""

from limner.stores.blobs import Blob, Blobs
from limner.stores.entries import Entry, Problem
from limner.stores.folder import FolderStore
from limner.stores.watching import Watcher

__all__ = ["Blob", "Blobs", "Entry", "FolderStore", "Problem", "Watcher"]
