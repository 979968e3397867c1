"""The app: loads model versions and trains new ones."""

from __future__ import annotations

from keras_unet.model import KerasUnetModel
from keras_unet.network import assign, build, device_of, read_arrays
from keras_unet.training import Training
from limner.plugin import LoadRequest, Trained, TrainRequest, UnsuitableInput, Watch


class KerasUnet:
    """Segmentation of pictures and of volumes, slice by slice."""

    def load(self, request: LoadRequest) -> KerasUnetModel:
        """Make a trained version ready to work; see `limner.plugin.App`."""
        plan, arrays, _ = read_arrays(request.weights)
        if plan.values != request.schema.values:
            raise UnsuitableInput(
                f"The weights know the values {plan.values}, the schema has "
                f"{request.schema.values}; train a version for this schema."
            )
        with device_of(request.device):
            network = build(plan)
            assign(network.variables, arrays, "network")
        return KerasUnetModel(network, plan, request.schema, request.device)

    def train(self, request: TrainRequest, watch: Watch) -> Trained:
        """Train a version on all labels given; see `limner.plugin.Trains`."""
        with device_of(request.device):
            trained: Trained = Training(request, watch).run()
        return trained
