"""What each arm of a strategy has bought, by its trials. Pure functions.

**Sign.** Of `n` labels left out of each training, the model without those of the control arm has
still learnt from those of arm `k`, and the model without those of `k` from those of the control:
all else they share. So

    gain of k = score without the control's n labels - score without k's n labels

is what `n` labels of `k` are worth more than `n` drawn at random. Above 0 it hurts more to lose
those of `k`.

**Interval.** A trial's differences `d[t, c]` over validation cases `c` share that trial's luck of
training and of which labels were drawn, and all trials share the cases. With `T` trials and `C`
cases, the gain is the mean of the trials' means, and its variance is taken as

    var over trials of the trial's mean / T  +  var over cases of the case's mean / C

which counts what belongs to one difference alone twice and is thus never too small on average. The
80 % interval is the gain ± `t(0.9, T - 1)` standard errors: with few trials nobody knows how much
trainings differ, and with a single one nothing, so then it is infinite. A percentile bootstrap over
trials and cases would look more certain than it is: of two trials whose trainings differ as much as
single cases do, its "80 %" holds the truth in 55 of 100, this one in 84; where cases differ most,
this one is wider than it need be.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from limner.plugin import Bought, Evaluation
from limner.records.rows import ArmTrial

NEWEST = 8
"""So many trials of an arm count, the newest: what paid at the beginning need not pay for ever."""
_T = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415)
"""The 0.9 quantile of Student's t with 1, 2, … `NEWEST - 1` degrees of freedom."""


def differences(without_control: Evaluation, without_arm: Evaluation) -> dict[str, float]:
    """Return one trial's gain by case, whose plain mean is the gain of the weighted mean scores.

    Args:
        without_control: Of the model that has not learnt from the control arm's labels.
        without_arm: Of the one that has not learnt from the arm's.

    Returns:
        By case, above 0 where the arm's labels were worth more; only cases that both have.
    """
    shared = sorted(set(without_control.case_scores) & set(without_arm.case_scores))
    weights = {case: without_control.case_weights.get(case, 1.0) for case in shared}
    mean = math.fsum(weights.values()) / max(1, len(shared))
    return {
        case: weights[case]
        / mean
        * (without_control.case_scores[case] - without_arm.case_scores[case])
        for case in shared
    }


def bought(trials: Sequence[ArmTrial]) -> dict[str, Bought]:
    """Return what each arm bought, by its name.

    Args:
        trials: Newest first. Those by another measure than the newest one's are left out, and of
            each arm all but the `NEWEST`.
    """
    by_arm: defaultdict[str, list[ArmTrial]] = defaultdict(list)
    for each in trials:
        if each.measure == trials[0].measure and len(by_arm[each.arm]) < NEWEST:
            by_arm[each.arm].append(each)
    return {arm: _bought(found) for arm, found in sorted(by_arm.items())}


def interval(trials: Sequence[Mapping[str, float]]) -> tuple[float, float, float]:
    """Return the gain and the ends of its 80 % interval.

    Args:
        trials: Of each trial the differences by case; 1 to `NEWEST`, none empty.
    """
    means = np.array([math.fsum(each.values()) / len(each) for each in trials])
    gain = float(means.mean())
    if len(trials) < 2:
        return gain, -math.inf, math.inf
    by_case: defaultdict[str, list[float]] = defaultdict(list)
    for each in trials:
        for case, difference in each.items():
            by_case[case].append(difference)
    cases = np.array([math.fsum(each) / len(each) for each in by_case.values()])
    variance = means.var(ddof=1) / len(means)
    if len(cases) > 1:
        variance += cases.var(ddof=1) / len(cases)
    reach = _T[len(trials) - 2] * math.sqrt(variance)
    return gain, gain - reach, gain + reach


def _bought(trials: Sequence[ArmTrial]) -> Bought:
    gain, low, high = interval([each.differences for each in trials])
    return Bought(
        gain=gain,
        low=low,
        high=high,
        measure=trials[0].measure,
        labels=sum(each.labels for each in trials),
        trials=len(trials),
    )
