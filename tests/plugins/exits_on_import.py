"""A strategy that would take its host down with it."""

import sys

from limner.plugin import StrategyManifest

manifest: StrategyManifest

sys.exit(7)
