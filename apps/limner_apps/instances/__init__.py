"""Instance segmentation with a Mask R-CNN that plans itself: the manifest, and nothing heavy."""

from limner.plugin import Ability, AppManifest, Option, Task

manifest = AppManifest(
    name="instances",
    version="0.1.0",
    factory="limner_apps.instances.app:InstancesApp",
    task=Task.INSTANCES,
    dimensions=frozenset({2}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE}),
    title="Instances (Mask R-CNN)",
    licence="Apache-2.0",
    options={
        "model": Option(
            default="auto",
            choices=("auto", "light", "resnet50-v2"),
            help="The network: a small one with group normalisation, or torchvision's Mask R-CNN "
            "v2 with a ResNet-50; auto takes the second where there is a CUDA device.",
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
            maximum=256,
            help="Crops in a step; 0 plans them.",
        ),
        "crop": Option(
            default=0,
            minimum=0,
            maximum=2048,
            help="Side of a training crop in pixels of the network's input; 0 plans it.",
        ),
        "width": Option(
            default=0,
            minimum=0,
            maximum=256,
            help="Channels of the light network's first stage; 0 plans them.",
        ),
        "score_threshold": Option(
            default=0.0,
            minimum=0.0,
            maximum=0.95,
            help="Least score of an object that is answered; 0 takes what was best on the "
            "validation cases, 0.6 where there were none.",
        ),
        "dropout": Option(
            default=0.1,
            minimum=0.0,
            maximum=0.9,
            help="Share of the heads' features dropped in training and in sampled predictions.",
        ),
        "samples": Option(
            default=0,
            minimum=0,
            maximum=32,
            help="Sampled predictions per description, for the scores maskal and "
            "partition_disagreement; 0 for none.",
        ),
        "initial_weights": Option(
            default="",
            help="What a training without a parent starts from: a file of torchvision weights on "
            "this machine, or torchvision for the one in its cache; empty draws them at random. "
            "Nothing is downloaded.",
        ),
    },
)
