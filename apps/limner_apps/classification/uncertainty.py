"""From class probabilities to the numbers that a strategy ranks images by. Numpy only.

Where classes are exclusive, `p` are K probabilities that sum to one:

- entropy `H(p) / ln K`, with `0 · ln 0 = 0` (Settles 2009, section 3.1);
- least confidence `(1 - max p) · K / (K - 1)` (Lewis and Gale 1994);
- margin `1 - (p(1) - p(2))`, of the two largest (Scheffer et al. 2001).

With two classes the three rank images alike; with one class all are 0. Where an image may have
several classes, each `p` is a question with two answers: every score is that of the pair
`(p, 1 - p)`, averaged over the classes, so entropy is `mean H(p, 1 - p) / ln 2`.

Of sampled predictions, made with different features dropped:

- bald: the entropy of the mean less the mean of the entropies (Houlsby et al. 2011), normalised
  likewise: what the model does not know, without what the image does not tell;
- variation_ratio: the share of samples that do not answer what most do (Freeman 1965);
- variance: over the samples, summed over exclusive classes, else averaged.

Every number is in [0, 1], and 0 where the model is certain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from limner.plugin import FloatArray


def point_scores(probabilities: FloatArray, exclusive: bool) -> dict[str, float]:
    """Return entropy, margin and least confidence of (classes,) probabilities."""
    rows = _answers(probabilities[None], exclusive)[0]
    count = rows.shape[1]
    if count < 2:
        return {"entropy": 0.0, "margin": 0.0, "least_confidence": 0.0}
    ordered = np.sort(rows, axis=1)
    scores = {
        "entropy": _entropy(rows) / np.log(count),
        "margin": 1.0 - (ordered[:, -1] - ordered[:, -2]),
        "least_confidence": (1.0 - ordered[:, -1]) * (count / (count - 1)),
    }
    return {name: _unit(float(values.mean())) for name, values in scores.items()}


def sampled_scores(samples: FloatArray, exclusive: bool) -> dict[str, float]:
    """Return bald, variation ratio and variance of (samples, classes) probabilities."""
    rows = _answers(samples, exclusive)
    count = rows.shape[2]
    if count < 2:
        return {"bald": 0.0, "variation_ratio": 0.0, "variance": 0.0}
    gain = (_entropy(rows.mean(axis=0)) - _entropy(rows).mean(axis=0)) / np.log(count)
    votes = np.eye(count)[rows.argmax(axis=2)].mean(axis=0)
    spread = samples.astype(np.float64).var(axis=0)
    return {
        "bald": _unit(float(gain.mean())),
        "variation_ratio": _unit(float((1.0 - votes.max(axis=1)).mean())),
        "variance": _unit(float(spread.sum() if exclusive else spread.mean())),
    }


def class_uncertainty(probabilities: FloatArray) -> FloatArray:
    """Return for each class the entropy of whether an image has it, over ln 2."""
    entropy = _entropy(_answers(probabilities[None], exclusive=False)[0])
    scores: FloatArray = np.clip(entropy / np.log(2.0), 0.0, 1.0).astype(np.float32)
    return scores


def class_fractions(probabilities: FloatArray, exclusive: bool) -> FloatArray:
    """Return (1 + classes,) shares that sum to one, background first.

    Exclusive classes have their probabilities, and background has none. Else background has the
    probability that no class is there, were they independent, and all are divided by their sum.
    """
    p = np.clip(probabilities.astype(np.float64), 0.0, 1.0)
    nothing = 0.0 if exclusive else float(np.prod(1.0 - p))
    shares = np.append(nothing, p)
    fractions: FloatArray = (shares / shares.sum()).astype(np.float32)
    return fractions


def _answers(samples: FloatArray, exclusive: bool) -> npt.NDArray[np.float64]:
    """Return (samples, questions, answers): one question of K answers, or K of two."""
    p = np.clip(samples.astype(np.float64), 0.0, 1.0)
    return p[:, None, :] if exclusive else np.stack([p, 1.0 - p], axis=2)


def _entropy(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the entropy along the last axis, in nats."""
    total: npt.NDArray[np.float64] = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=-1)
    return total


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
