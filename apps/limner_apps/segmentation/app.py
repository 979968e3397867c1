"""The app: loads model versions and trains new ones."""

from __future__ import annotations

import torch

from limner.plugin import LoadRequest, Trained, TrainRequest, Watch
from limner_apps.learning.device import open_device
from limner_apps.segmentation.model import SegmentationModel
from limner_apps.segmentation.options import Options
from limner_apps.segmentation.training import Training
from limner_apps.segmentation.weights import read_weights


class SegmentationApp:
    """Segmentation of pictures and volumes with a U-Net that plans itself."""

    def load(self, request: LoadRequest) -> SegmentationModel:
        """Make a trained version ready to work; see `limner.plugin.App`."""
        torch.set_num_threads(max(1, request.threads))
        options = Options.read(request.options)
        weights = read_weights(request.weights, request.schema)
        device = open_device(request.device)
        with torch.random.fork_rng(devices=[]):
            return SegmentationModel(weights, request.schema, device, options)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        """Train a version on all labels given; see `limner.plugin.Trains`."""
        # The caller's random numbers go on as if nothing had been trained.
        with torch.random.fork_rng(devices=[]):
            return Training(request, watch).run()
