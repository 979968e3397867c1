"""A package folder as a plugin: its parts import each other by the folder's name."""

from limner.plugin import StrategyManifest

manifest = StrategyManifest(
    name="packaged",
    version="1.0.0",
    factory="packaged_app.picking:Packaged",
    needs=frozenset(),
    title="In a package",
    licence="Apache-2.0",
)
