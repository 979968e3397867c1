"""Classification with residual networks and VGG: the manifest, and nothing heavy."""

from limner.plugin import Ability, AppManifest, Option, Task

manifest = AppManifest(
    name="classification",
    version="0.1.0",
    factory="limner_apps.classification.app:ClassificationApp",
    task=Task.CLASSIFICATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE, Ability.EXPLAIN}),
    title="Classification (ResNet, VGG)",
    licence="Apache-2.0",
    options={
        "model": Option(
            default="auto",
            choices=("auto", "resnet18", "resnet50", "vgg16"),
            help="The network; auto takes a ResNet-18, narrow on a processor. VGG-16 is for "
            "pictures only.",
        ),
        "width": Option(
            default=0,
            minimum=0,
            maximum=256,
            help="Channels of the network's first stage, 64 as published; 0 plans them.",
        ),
        "image_size": Option(
            default=0,
            minimum=0,
            maximum=1024,
            help="Pixels that the longest side of an image is resized to; 0 plans them.",
        ),
        "steps": Option(
            default=0,
            minimum=0,
            maximum=1_000_000,
            help="Optimiser steps of a training; 0 decides by the number of labels.",
        ),
        "batch": Option(
            default=0,
            minimum=0,
            maximum=4096,
            help="Images in a step, at least 2; 0 plans them.",
        ),
        "imbalance": Option(
            default="auto",
            choices=("auto", "none", "sampling", "loss"),
            help="How rare classes get their weight: by drawing them more often, by a weighted "
            "loss, or not at all; auto tries them on the validation set where that is large "
            "enough.",
        ),
        "mirror": Option(
            default="none",
            choices=("none", "all"),
            help="Whether training mirrors images along all axes; only where no class is a side.",
        ),
        "dropout": Option(
            default=0.2,
            minimum=0.0,
            maximum=0.9,
            help="Share of the pooled features dropped in training and in sampled predictions.",
        ),
        "samples": Option(
            default=0,
            minimum=0,
            maximum=256,
            help="Predictions with dropped features per description, for the scores bald, "
            "variation_ratio and variance; 0 for none.",
        ),
        "initial_weights": Option(
            default="",
            help="File of a torchvision state dictionary of the same network to start from; empty "
            "starts from random weights. Nothing is ever downloaded.",
        ),
    },
)
