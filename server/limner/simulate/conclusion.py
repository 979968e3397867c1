"""What a comparison says in words: which strategy to use, with what confidence, and what not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from limner.simulate.comparison import SIGNIFICANT, fewest_seeds

_ENOUGH_SEEDS = 10
_CLEAR = 5.0
"""Standard deviations by which all labels must beat the start set for a comparison to mean much."""
_POWER = 2.8
"""Standard errors of a difference that is found four times out of five."""


def is_found(pair: Mapping[str, Any]) -> bool:
    """Tell whether two strategies differ: by the interval, and by the test, looked at together."""
    low, high = pair["difference"]["low"], pair["difference"]["high"]
    return bool((low > 0 or high < 0) and pair["p_holm"] <= SIGNIFICANT)


def conclusion(results: Mapping[str, Any]) -> str:
    """Say in plain words which strategy to use, and how sure that is."""
    pairs = results["against_opponent"]
    opponent, title = results["opponent"], results["measure"]["title"]
    if not pairs:
        return f"Only random baselines were compared; the better one is {opponent}."
    better = [each for each in pairs if is_found(each) and each["difference"]["mean"] > 0]
    worse = [each["a"] for each in pairs if is_found(each) and each["difference"]["mean"] < 0]
    seeds = len(results["seeds"])
    if not better:
        found = "No difference" if not worse else "Nothing better"
        return " ".join([*_nothing_found(results, pairs, found), *_worse(worse, opponent)])
    best = max(better, key=lambda each: each["difference"]["mean"])
    sentences = [
        f"Use {best['a']}: over {_seeds(seeds)} and {_budgets(results)} its learning curve lies "
        f"{_difference(best)} {title} above that of {opponent}, the better of the random "
        f"baselines (95 % interval of the paired difference; p = {best['p_holm']:.3f} by "
        "Wilcoxon's test after Holm's correction).",
        *_labels_saved(results, best["a"], opponent),
        *_less_sure(results, best),
        *_not_told_apart(results, best["a"], [each["a"] for each in better]),
        *_worse(worse, opponent),
        "This holds for these images, this app and these budgets; other data may give another "
        "winner.",
    ]
    return " ".join(sentences)


def notes_on(results: Mapping[str, Any]) -> list[str]:
    """List what a careful reader should know before believing the numbers."""
    return list(_notes(results))


def _notes(results: Mapping[str, Any]) -> Iterator[str]:
    design, seeds = results["design"], len(results["seeds"])
    if seeds < design["seeds"]:
        yield (
            f"Only {seeds} of {design['seeds']} seeds are done for every strategy; the others are "
            "left out."
        )
    if results["left_out"]:
        yield f"Not done for any seed, so not compared: {', '.join(results['left_out'])}."
    yield from results["dropped"]
    if seeds < _ENOUGH_SEEDS:
        yield (
            f"{_seeds(seeds).capitalize()}: bootstrap intervals of so few are too narrow. Take at "
            f"least {_ENOUGH_SEEDS} before you believe a difference."
        )
    if len(results["bounds"]["full"]) < seeds:
        yield f"The bounds were trained for {_seeds(len(results['bounds']['full']))} only."
    yield from _notes_on_room(results)
    if design["every_version"]:
        yield (
            "Every trained version was measured and picked the next batch, whatever the gate said "
            "of it: the strategies are compared, not the gate. A server lets only those serve that "
            "the gate promotes."
        )
    else:
        yield (
            "Only versions that the gate promoted served, picked and were measured, as on a server."
        )
    yield (
        "Labels for validation are counted as labels; they are drawn at random, the same for all "
        "strategies of a seed. Minutes are simulated: "
        f"{results['cost_model']}, and nobody was watched labelling."
    )


def _notes_on_room(results: Mapping[str, Any]) -> Iterator[str]:
    """Say how much there was to be won at all."""
    full, opponent = results["full_score"], results["strategies"][results["opponent"]]
    if full is None or full <= 0:
        return
    start = opponent["curve"][0]["mean"]
    starts = [each[0] for each in opponent["scores_by_seed"]]
    spread = float(np.std(starts, ddof=1)) if len(starts) > 1 else math.nan
    if full - start <= 0:
        yield (
            "The start set alone scores as much as all labels: the training is what limits, not "
            "the labels, and no strategy can win anything here. Train longer (--effort)."
        )
    elif full - start < _CLEAR * spread:
        yield (
            f"All labels score {full - start:.3f} more than the start set, less than "
            f"{_CLEAR:g} times the spread between seeds ({spread:.3f}): there is little to be won, "
            "and much noise."
        )
    if start >= 0.95 * full:
        yield (
            f"The start set has {100 * start / full:.0f} % of the full score already, so the "
            "labels to 90 or 95 % of it tell nothing."
        )


def _nothing_found(
    results: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]], found: str
) -> Iterator[str]:
    opponent, title = results["opponent"], results["measure"]["title"]
    seeds = len(results["seeds"])
    names = [each["a"] for each in pairs]
    best = max(pairs, key=lambda each: each["difference"]["mean"])
    yield (
        f"{found} was found: over {_seeds(seeds)} and {_budgets(results)} no strategy "
        f"({', '.join(names)}) was better than {opponent}"
        f"{', the better of the random baselines' if _has_several_randoms(results) else ''}. The "
        f"nearest to it, {best['a']}, lies {_difference(best)} {title} from it."
    )
    needed = fewest_seeds(len(pairs))
    if seeds < needed:
        yield (
            f"With {_seeds(seeds)} none could have been found: the test needs at least {needed} "
            "seeds, so this comparison shows nothing either way."
        )
    else:
        spread = float(np.std(best["by_seed"], ddof=1))
        yield (
            f"A difference of about {_POWER * spread / math.sqrt(seeds):.3f} would have been found "
            "four times out of five; smaller ones may be there."
        )
    yield (
        f"Until more is known, use {opponent}: it costs no scoring of the pool, and what it labels "
        "is a fair sample."
    )


def _labels_saved(results: Mapping[str, Any], name: str, opponent: str) -> Iterator[str]:
    reached = results["strategies"][name].get("labels_to", {}).get("95")
    theirs = results["strategies"][opponent].get("labels_to", {}).get("95")
    if reached is None or theirs is None:
        return
    ratio = reached["ratio_to_random"]
    mine = _labels(reached)
    if reached["estimate"] is None:
        yield f"It came to 95 % of the full score with {mine} labels."
        return
    between = ""
    if ratio["estimate"] is not None and ratio["low"] is not None:
        high = "" if ratio["high"] is None else f" to {ratio['high']:.2f}"
        between = (
            f", {ratio['estimate']:.2f} times as many ({ratio['low']:.2f}{high or ' or more'})"
        )
    yield (
        f"It came to 95 % of the full score with {mine} labels, where {opponent} needed "
        f"{_labels(theirs)}{between}."
    )


def _less_sure(results: Mapping[str, Any], best: Mapping[str, Any]) -> Iterator[str]:
    """Say where a difference does not hold when the strategies are compared with each other, too.

    Then the table of all pairs shows none, and a reader should not be left to wonder.
    """
    pairs = results["pairwise"]
    pair = next(each for each in pairs if {each["a"], each["b"]} == {best["a"], best["b"]})
    if not is_found(pair):
        yield (
            f"Looked at among all {len(pairs)} pairs of strategies it does not hold "
            f"(p = {pair['p_holm']:.3f}), so take it for likely, not for sure."
        )


def _not_told_apart(results: Mapping[str, Any], best: str, better: Sequence[str]) -> Iterator[str]:
    alike = [
        next(name for name in (each["a"], each["b"]) if name != best)
        for each in results["pairwise"]
        if best in (each["a"], each["b"])
        and {each["a"], each["b"]} - {best} <= set(better)
        and not is_found(each)
    ]
    if alike:
        yield f"It could not be told apart from {', '.join(alike)}."


def _worse(names: Sequence[str], opponent: str) -> Iterator[str]:
    if names:
        yield f"Do not use {', '.join(names)}: worse than {opponent} by the same test."


def _difference(pair: Mapping[str, Any]) -> str:
    found = pair["difference"]
    return f"{found['mean']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"


def _budgets(results: Mapping[str, Any]) -> str:
    return f"{results['labels'][0]} to {results['labels'][-1]} labels"


def _labels(reached: Mapping[str, Any]) -> str:
    if reached["estimate"] is not None:
        return f"about {reached['estimate']:.0f}"
    sign, _, number = str(reached["censored"]).partition(" ")
    return f"{'more than' if sign == '>' else 'at most'} {number}"


def _seeds(number: int) -> str:
    return "one seed" if number == 1 else f"{number} seeds"


def _has_several_randoms(results: Mapping[str, Any]) -> bool:
    return len([each for each in results["strategies"].values() if each["is_random"]]) > 1
