"""Running the network over images, within the memory that there is."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from limner_apps.classification.network import Classifier, pooled
from limner_apps.classification.plan import Plan
from limner_apps.classification.precision import mixed_precision
from limner_apps.learning import device as devices

_log = logging.getLogger(__name__)


class Inference:
    """A network ready to answer for images of one plan.

    Args:
        network: In evaluation mode, on the processor.
        plan: The network's plan.
        device: Where it should run.
    """

    def __init__(self, network: Classifier, plan: Plan, device: torch.device) -> None:
        self._network = network.eval()
        self._device = device
        # How many images go through together; fewer once memory ran out.
        self._together = plan.batch
        self._axes = plan.axes
        devices.place(network, plan.axes, device)

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Return the averaged features, (n, d) float32 on the processor.

        Args:
            images: (n, channels, *spatial) float32, preprocessed.
        """
        parts: list[Tensor] = []
        done = 0
        while done < len(images):
            try:
                parts.append(self._embed(images[done : done + self._together]))
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error) or not self._step_back():
                    raise
                continue
            done += len(parts[-1])
        return torch.cat(parts)

    @torch.inference_mode()
    def logits(self, embeddings: Tensor, seed: int | None = None) -> Tensor:
        """Return logits (n, classes) float32 on the processor, before the temperature.

        Args:
            embeddings: What `embed` gave.
            seed: Of the features that are dropped; None drops none.
        """
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        self._network.draw_dropout(generator)
        try:
            return self._network.answer(embeddings.to(self._device)).float().cpu()
        finally:
            self._network.draw_dropout(None)

    def explain(self, image: Tensor, index: int, resolution: int) -> tuple[Tensor, Tensor]:
        """Return a layer's features for an image, and how a class's logit changes with them.

        Args:
            image: (channels, *spatial) float32, preprocessed.
            index: The class's place among the logits.
            resolution: The last layer is taken whose features have so many cells along an axis;
                the one with the most cells where none has.

        Returns:
            Features and gradients, (features, *spatial) float32 on the processor.
        """
        batch = devices.arrange(image[None].to(self._device), self._device)
        layers = list(self._network.layers())
        with torch.no_grad():
            stages = [batch]
            for layer in layers:
                # A copy: some layers work in place.
                stages.append(layer(stages[-1].clone()))
        cells = [max(features.shape[2:]) for features in stages[1:]]
        enough = [place for place, count in enumerate(cells) if count >= resolution]
        chosen = enough[-1] if enough else len(cells) - 1 - cells[::-1].index(max(cells))
        with torch.enable_grad():
            features = stages[1 + chosen].detach().requires_grad_()
            answer = features
            for layer in layers[chosen + 1 :]:
                answer = layer(answer)
            logit = self._network.answer(pooled(answer))[0, index]
            (gradient,) = torch.autograd.grad(logit, features)
        return features[0].detach().float().cpu(), gradient[0].float().cpu()

    def _embed(self, images: Tensor) -> Tensor:
        batch = devices.arrange(images.to(self._device), self._device)
        with mixed_precision(self._device, self._axes):
            return self._network.embed(batch).float().cpu()

    def _step_back(self) -> bool:
        """Take fewer images, then the processor; False when there is nothing left."""
        if self._together > 1:
            self._together //= 2
        elif self._device.type != "cpu":
            self._device = torch.device("cpu")
            self._network.to(self._device)
        else:
            return False
        devices.release(self._device)
        _log.warning("Memory ran out in a prediction; going on with fewer images at once.")
        return True
