"""Segmentation with a U-Net that plans itself from the data: the manifest, and nothing heavy."""

from limner.plugin import Ability, AppManifest, Option, Task

manifest = AppManifest(
    name="segmentation",
    version="0.1.0",
    factory="limner_apps.segmentation.app:SegmentationApp",
    task=Task.SEGMENTATION,
    dimensions=frozenset({2, 3}),
    abilities=frozenset({Ability.DESCRIBE, Ability.TRAIN, Ability.EVALUATE, Ability.REGIONS}),
    title="Segmentation (U-Net)",
    licence="Apache-2.0",
    options={
        "dimension": Option(
            default="auto",
            choices=("auto", "2d", "2.5d", "3d"),
            help="What the network sees at once: a slice, a slice with its neighbours, or a "
            "volume; auto decides by the images and the device.",
        ),
        "steps": Option(
            default=0,
            minimum=0,
            maximum=1_000_000,
            help="Optimiser steps of a training; 0 decides by the number and size of the labels.",
        ),
        "width": Option(
            default=0,
            minimum=0,
            maximum=256,
            help="Channels of the network's first level; 0 plans them.",
        ),
        "batch": Option(
            default=0,
            minimum=0,
            maximum=1024,
            help="Slices or patches in a step; 0 plans them.",
        ),
        "mirror": Option(
            default="auto",
            choices=("auto", "none", "all"),
            help="Whether training mirrors images; auto mirrors pictures only, because organs "
            "have sides.",
        ),
        "dropout": Option(
            default=0.1,
            minimum=0.0,
            maximum=0.9,
            help="Share of deep features dropped in training and in sampled predictions.",
        ),
        "samples": Option(
            default=0,
            minimum=0,
            maximum=32,
            help="Sampled predictions per description, for the scores bald, variation_ratio, "
            "variance and dice_disagreement; 0 for none.",
        ),
        "sampling": Option(
            default="dropout",
            choices=("dropout", "augmentation"),
            help="What differs between sampled predictions: which features are dropped, or how "
            "the image was taken (intensities, noise, mirroring where training mirrors).",
        ),
        "aggregation": Option(
            default="patch_and_foreground",
            choices=(
                "patch_and_foreground",
                "patch",
                "foreground",
                "top_share",
                "boundary",
                "classes",
            ),
            help="How a map of uncertainty becomes the image's score: the most uncertain patch, "
            "the predicted foreground, the mean of both, the top 2 %, the edges of what is "
            "predicted, or each predicted class alike. Where a project asks for parts of images, "
            "the score is the mean over the part.",
        ),
    },
)
