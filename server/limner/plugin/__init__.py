"""The contract: all that an app or a strategy may import. Numpy and the standard library only."""

from limner.plugin.errors import LimnerError, PluginError, Stopped, UnsuitableInput
from limner.plugin.images import (
    Affine,
    Answer,
    ClassScores,
    FloatArray,
    Image,
    Instances,
    IntArray,
    Mask,
    Prompt,
)
from limner.plugin.manifest import (
    CONTRACT_VERSION,
    Ability,
    AppManifest,
    Manifest,
    Option,
    StrategyManifest,
    Task,
    manifest_problems,
)
from limner.plugin.prediction import (
    Described,
    Description,
    Evaluation,
    LoadRequest,
    Prediction,
    PredictRequest,
)
from limner.plugin.protocols import App, Describes, Evaluates, Predicts, Trains
from limner.plugin.schema import BACKGROUND, LabelClass, LabelSchema
from limner.plugin.strategy import Need, Pick, Pool, Strategy
from limner.plugin.training import Case, Progress, Trained, TrainRequest, Watch
from limner.plugin.values import Json

__all__ = [
    "BACKGROUND",
    "CONTRACT_VERSION",
    "Ability",
    "Affine",
    "Answer",
    "App",
    "AppManifest",
    "Case",
    "ClassScores",
    "Described",
    "Describes",
    "Description",
    "Evaluates",
    "Evaluation",
    "FloatArray",
    "Image",
    "Instances",
    "IntArray",
    "Json",
    "LabelClass",
    "LabelSchema",
    "LimnerError",
    "LoadRequest",
    "Manifest",
    "Mask",
    "Need",
    "Option",
    "Pick",
    "PluginError",
    "Pool",
    "PredictRequest",
    "Prediction",
    "Predicts",
    "Progress",
    "Prompt",
    "Stopped",
    "Strategy",
    "StrategyManifest",
    "Task",
    "TrainRequest",
    "Trained",
    "Trains",
    "UnsuitableInput",
    "Watch",
    "manifest_problems",
]
