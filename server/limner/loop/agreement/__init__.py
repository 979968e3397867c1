"""How alike answers are: of annotators, of model versions, of both. In numpy alone; no files."""

from limner.loop.agreement.answers import MEASURES, Agreement, agreement
from limner.loop.agreement.kappa import class_fleiss, class_kappa, cohen_kappa, fleiss_kappa

__all__ = [
    "MEASURES",
    "Agreement",
    "agreement",
    "class_fleiss",
    "class_kappa",
    "cohen_kappa",
    "fleiss_kappa",
]
