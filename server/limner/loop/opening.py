"""Which strategies may pick while no model describes the pool."""

from __future__ import annotations

from limner.plugin import Need, StrategyManifest

ALLOWED = frozenset({Need.EMBEDDING, Need.BOUGHT})
"""What is there without a model: the pixels alone can stand for embeddings, and trials say what was
bought."""


def may_open(manifest: StrategyManifest) -> bool:
    """Tell whether a strategy can order a pool that no model describes.

    One that needs nothing can, and one that needs embeddings alone: descriptors of the pixels stand
    for them. Nothing stands for scores and classes.
    """
    return manifest.needs <= ALLOWED


def needs_of_a_model(manifest: StrategyManifest) -> str:
    """Return what only a model can say of what a strategy needs, as words for people."""
    return ", ".join(sorted(manifest.needs - ALLOWED))
