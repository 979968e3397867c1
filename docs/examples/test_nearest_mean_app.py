"""The app passes the conformance kit."""

import nearest_mean_app

from limner.testing import AppConformance


class TestNearestMean(AppConformance):
    """Runs every check of the contract."""

    manifest = nearest_mean_app.manifest
