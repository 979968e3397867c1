"""The strategy passes the conformance kit."""

import smallest_foreground

from limner.testing import StrategyConformance


class TestSmallestForeground(StrategyConformance):
    """Runs every check of the contract."""

    manifest = smallest_foreground.manifest
