"""How far a project has come."""

from __future__ import annotations

from pydantic import Field

from limner.http.rest.shapes.job import Job
from limner.http.rest.shapes.project import Counts, StoreProblem
from limner.http.rest.shapes.values import Answered, Instant


class CurvePoint(Answered):
    """One model version on the learning curve."""

    number: int = Field(description="Number of the version.")
    state: str = Field(description="`candidate`, `serving`, `retired` or `refused`.")
    label_count: int = Field(description="How many labels it was trained on.")
    measure: str | None = Field(description="What was measured, such as `dice`.")
    score: float | None = Field(description="Its mean over the cases.")
    cases: int | None = Field(description="How many cases.")
    method: str | None = Field(description="`validation`, `cross-validation` or `none`.")
    created_at: Instant = Field(description="When it was trained.")


class Estimate(Answered):
    """A number with its 80 % interval."""

    estimate: float | None = Field(description="The number; null where it is not in sight.")
    low: float | None = Field(description="Lower end of the interval.")
    high: float | None = Field(description="Upper end; null where it is not in sight.")


class Forecast(Answered):
    """What more labels will bring, by a curve through the versions' scores."""

    reason: str = Field(description="Why nothing can be said yet; empty where something is.")
    versions: int = Field(description="How many measured versions it stands on.")
    measure: str | None = Field(description="What is forecast, such as `dice`.")
    batch: int = Field(description="The labels that `gain` is of.")
    score: Estimate | None = Field(description="By the curve, of a version of all labels so far.")
    gain: Estimate | None = Field(description="What the next batch adds.")
    plateau: Estimate | None = Field(description="What no number of labels exceeds.")
    is_flat: bool = Field(description="Whether `gain` is below 0.005 at its upper end.")
    target: float | None = Field(description="The project's `target_score`.")
    is_reached: bool = Field(description="Whether the lower end of `score` is at the target.")
    labels_to_target: Estimate | None = Field(
        description="How many more labels the target takes; null in it where it is out of reach."
    )


class VersionCorrection(Answered):
    """How far labels left the predictions of one version as they were."""

    number: int = Field(description="Number of the version that was offered.")
    labels: int = Field(description="How many labels were compared with it.")
    agreement: float = Field(description="As in `newest`.")


class Correction(Answered):
    """How far annotators leave the predictions that they are offered as they are."""

    measure: str = Field(
        description="`dice` or `pq`, a mean over the classes in either, or `same`: 1 where the "
        "classes were left as they were, else 0."
    )
    labels: int = Field(description="How many of the newest labels could be compared; at most 500.")
    newest: float | None = Field(
        description="Median agreement of the newest 20; of classes their mean, a share."
    )
    earlier: float | None = Field(
        description="The same of the 20 before; null until there are so many."
    )
    is_settled: bool = Field(
        description="Whether 20 labels were compared and `newest` is at least 0.97."
    )
    versions: list[VersionCorrection] = Field(description="By what was offered, oldest first.")


class VersionAgreement(Answered):
    """How far a version agrees with the one that served before."""

    number: int = Field(description="Number of the version.")
    measure: str = Field(description="`dice` or `pq`, a mean over images, or Cohen's `kappa`.")
    agreement: float = Field(description="Its value.")
    cases: int = Field(description="How many images, which neither version has learnt from.")
    compared_with: int = Field(description="Number of the version before.")


class Stability(Answered):
    """How far each version agrees with the one that served before."""

    versions: list[VersionAgreement] = Field(
        description="Those that could be compared, oldest first."
    )
    rounds: int = Field(
        description="How many of the newest, in a row, agree: by 0.97, of kappa by 0.99."
    )
    is_stable: bool = Field(description="Whether `rounds` is at least 3.")


class Arm(Answered):
    """One way of picking that a strategy mixes with others, and what it has bought."""

    arm: str = Field(description="Its name; `random` for the control arm.")
    labels: int = Field(description="How many of its picks were labelled.")
    standing: str = Field(
        description="`control`; `more` or `less` where the whole interval is above or below 0; "
        "`open` where trials do not tell yet."
    )
    trials: int = Field(description="How many trials have measured it.")
    compared: int = Field(description="How many of its labels they compared.")
    measure: str | None = Field(description="What was measured, such as `dice`.")
    gain: float | None = Field(
        description="Score points that its labels brought more than as many of the control arm, "
        "the mean over the trials; null before a trial."
    )
    low: float | None = Field(
        description="Lower end of its 80 % interval; null before there are two trials."
    )
    high: float | None = Field(description="Upper end.")


class Progress(Answered):
    """How far a project has come."""

    project: str = Field(description="Name of the project.")
    counts: Counts = Field(description="How many samples are in which state.")
    held: int = Field(description="Samples lent to annotators now.")
    queue_length: int = Field(description="Samples picked to be labelled next.")
    validation_target: int = Field(description="Size at which the validation set is complete.")
    retrain_every: int = Field(description="New labels that start a training; 0 for never.")
    round: int = Field(description="How many versions were promoted.")
    model_version: int | None = Field(description="Number of the version that serves.")
    learning_curve: list[CurvePoint] = Field(description="A point a version, oldest first.")
    forecast: Forecast = Field(description="What more labels will bring; nothing is stopped by it.")
    correction: Correction = Field(
        description="How much annotators still change of what they are offered."
    )
    stability: Stability = Field(description="Whether new versions still say something new.")
    arms: list[Arm] = Field(
        description="What the strategy's ways of picking have bought, the control arm first; empty "
        "where it does not tell several apart."
    )
    jobs: list[Job] = Field(description="That wait or run, oldest first.")
    store_problems: int = Field(description="How many things in the folder are no usable sample.")
    problems: list[StoreProblem] = Field(description="The first of them.")
