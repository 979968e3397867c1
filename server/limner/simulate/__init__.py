"""The loop against known labels, over HTTP: to show it, to measure it, to compare strategies."""

from limner.simulate.annotator import Answered, SimulatedAnnotator
from limner.simulate.dice import mean_dice
from limner.simulate.loop_run import LoopRun, Round
from limner.simulate.server_process import ServerProcess

__all__ = ["Answered", "LoopRun", "Round", "ServerProcess", "SimulatedAnnotator", "mean_dice"]
