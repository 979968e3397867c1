"""What a comparison says in one line, for the top of its report and of its first picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.simulate.comparison import fewest_seeds
from limner.simulate.conclusion import is_found

_SHARE = "95"
"""Of the full score in percent: the labels to it are named."""


def headline(results: Mapping[str, Any]) -> str:
    """Say which strategy to use, or that no difference was found."""
    pairs, opponent = results["against_opponent"], results["opponent"]
    if not pairs:
        return f"Only random baselines were compared; the better one is {opponent}."
    better = [each for each in pairs if is_found(each) and each["difference"]["mean"] > 0]
    if better:
        best = max(better, key=lambda each: each["difference"]["mean"])
        return f"Use {best['a']}: {_gain(results, best)}."
    seeds = len(results["seeds"])
    if seeds < fewest_seeds(len(pairs)):
        return f"Nothing is shown yet: {seeds} seeds are too few to tell strategies apart."
    if any(is_found(each) for each in pairs):
        return f"No strategy was found to be better than {opponent}, and some are worse."
    return f"No difference was found between {opponent} and the other strategies."


def _gain(results: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """Say how many labels are saved; where that is not known, how far the curves are apart."""
    opponent = results["opponent"]
    reached = results["strategies"][best["a"]].get("labels_to", {}).get(_SHARE)
    ratio = None if reached is None else reached["ratio_to_random"]
    if ratio and ratio["estimate"] is not None and (ratio["low"] or 0.0) > 1:
        high = "more" if ratio["high"] is None else f"{ratio['high']:.2f}"
        return (
            f"{opponent} needs {ratio['estimate']:.2f} times as many labels to {_SHARE} % of the "
            f"full score (95 % interval {ratio['low']:.2f} to {high})"
        )
    found = best["difference"]
    return (
        f"its learning curve lies {found['mean']:.3f} {results['measure']['title']} above that of "
        f"{opponent} (95 % interval {found['low']:.3f} to {found['high']:.3f})"
    )
