"""How alike answers are: label and prediction, or two predictions. In numpy alone; no files."""

from limner.loop.agreement.answers import MEASURES, Agreement, agreement
from limner.loop.agreement.kappa import class_kappa, cohen_kappa

__all__ = [
    "MEASURES",
    "Agreement",
    "agreement",
    "class_kappa",
    "cohen_kappa",
]
