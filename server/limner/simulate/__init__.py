"""The loop against known labels, over HTTP: to show it, to measure it, to compare strategies."""

from limner.loop.agreement.dice import mean_dice
from limner.loop.agreement.panoptic_quality import panoptic_quality
from limner.simulate.annotator import Answered, SimulatedAnnotator
from limner.simulate.balanced_accuracy import balanced_accuracy
from limner.simulate.loop_run import LoopRun, Round
from limner.simulate.server_process import ServerProcess

__all__ = [
    "Answered",
    "LoopRun",
    "Round",
    "ServerProcess",
    "SimulatedAnnotator",
    "balanced_accuracy",
    "mean_dice",
    "panoptic_quality",
]
