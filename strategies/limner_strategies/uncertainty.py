"""Uncertainty sampling: the samples of which the serving model is least sure, by one of its scores.

The apps aggregate their maps and objects to one number per sample, so that an object's size does
not decide (`Description.scores`; the formulas are in each app's `uncertainty`). Of one prediction:

- `entropy`: `H(p) / ln K` (Shannon 1948; Settles 2009, Active learning literature survey, 3.1);
- `margin`: `1 - (p(1) - p(2))` of the two largest (Scheffer, Decomain and Wrobel 2001);
- `least-confidence`: `1 - max p`, rescaled (Lewis and Gale 1994).

With two classes these three rank images alike, unless voxels are aggregated. Of several predictions
with features dropped at random, which the app makes where its option `samples` asks for some:

- `bald`: the mutual information `H(mean p) - mean H(p)` (Houlsby et al. 2011; Gal et al. 2017);
- `variation-ratio`: the share that does not vote for the winner (Freeman 1965; Gal et al. 2017);
- `variance`: of the probabilities, summed over the classes;
- `disagreement`: one less the mean pairwise Dice of masks (Roy et al. 2019), or likewise of how
  objects are separated, whichever the app gives;
- `maskal`: one less the mean of semantic, spatial and occurrence certainty (Blok et al. 2022).

Where the app gives no such score, entropy decides, and every reason says so. Needs `scores`.

Plain ranking buys similar samples where the pool is redundant. The option `batch` draws with noise
instead (`limner_strategies.noise`), `beta` says how closely the draw follows the score.

Takes O(n + count log count), with `softrank` O(n log n); a pool of a million is ranked whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from limner.plugin import Need, Pick, Pool, StrategyManifest
from limner_strategies.answer import answered
from limner_strategies.noise import perturbed, sub_seed
from limner_strategies.option import BATCH, BETA, number, text
from limner_strategies.ranking import highest
from limner_strategies.scores import ranked

_SAMPLED = "set its option samples above 0"
_OPTIONS = {"batch": BATCH, "beta": BETA}


def _manifest(name: str, factory: str, title: str) -> StrategyManifest:
    return StrategyManifest(
        name=name,
        version="1.0.0",
        factory=f":{factory}",
        needs=frozenset({Need.SCORES}),
        title=title,
        licence="Apache-2.0",
        options=_OPTIONS,
    )


entropy = _manifest("entropy", "Entropy", "Where the model is least sure")
margin = _manifest("margin", "Margin", "Where two answers are nearly as likely")
least_confidence = _manifest("least-confidence", "LeastConfidence", "Where the best guess is weak")
bald = _manifest("bald", "Bald", "Where sampled predictions are sure and differ")
variation_ratio = _manifest("variation-ratio", "VariationRatio", "Where sampled votes differ")
variance = _manifest("variance", "Variance", "Where sampled probabilities spread")
disagreement = _manifest("disagreement", "Disagreement", "Where sampled outlines lie apart")
maskal = _manifest("maskal", "MaskAL", "Where sampled objects come and go")

manifests = (
    entropy,
    margin,
    least_confidence,
    bald,
    variation_ratio,
    variance,
    disagreement,
    maskal,
)


class Uncertainty:
    """Picks by one score: highest first, or drawn with noise; rows without it last."""

    def __init__(self, *names: str, hint: str = "") -> None:
        """Take the scores that will do, best first, and what makes an app give them."""
        self._names = names
        self._hint = hint

    def pick(self, pool: Pool, count: int, seed: int) -> Sequence[Pick]:
        """Pick rows by the score. See `Strategy.pick`."""
        column = ranked(pool, self._names, self._hint)
        way, beta = text(pool, entropy, "batch"), number(pool, entropy, "beta")
        keys = perturbed(column.values, pool.ids, way, beta, sub_seed(seed, 1))
        rows = highest(keys, pool.ids, count, seed)
        scores = column.values[rows]
        known = np.isfinite(scores)
        drawn = "" if way == "top" else f"; drawn by {way} sampling"
        return answered(
            pool,
            rows[known],
            scores[known],
            (column.say(score) + drawn for score in scores[known].tolist()),
            count,
            seed,
            left=f"{column.missing or 'the model has not given this score yet, so it is '}"
            "drawn at random",
        )


Entropy = partial(Uncertainty, "entropy")
Margin = partial(Uncertainty, "margin")
LeastConfidence = partial(Uncertainty, "least_confidence")
Bald = partial(Uncertainty, "bald", hint=_SAMPLED)
VariationRatio = partial(Uncertainty, "variation_ratio", hint=_SAMPLED)
Variance = partial(Uncertainty, "variance", hint=_SAMPLED)
Disagreement = partial(Uncertainty, "dice_disagreement", "partition_disagreement", hint=_SAMPLED)
MaskAL = partial(Uncertainty, "maskal", hint=_SAMPLED)
