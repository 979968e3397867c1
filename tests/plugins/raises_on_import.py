"""A plugin whose module fails while it is imported."""

from limner.plugin import AppManifest

manifest: AppManifest

raise RuntimeError("the licence server is away")
