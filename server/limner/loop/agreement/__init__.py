"""How alike answers are: of a label and a prediction, of two model versions. In numpy alone; no files."""

from limner.loop.agreement.answers import MEASURES, Agreement, agreement
from limner.loop.agreement.kappa import class_kappa, cohen_kappa

__all__ = [
    "MEASURES",
    "Agreement",
    "agreement",
    "class_kappa",
    "cohen_kappa",
]
