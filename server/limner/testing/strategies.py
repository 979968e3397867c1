"""What every strategy must do."""

from __future__ import annotations

import math
import operator
import time
from abc import ABC
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limner.plugin import Json, Pick, Pool, Strategy, StrategyManifest, manifest_problems
from limner.testing.making import make
from limner.testing.pools import edge_values, made_pool, pools

PROPERTY = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)


MOST_ARM = 64
"""Most characters of an arm's name."""


class StrategyConformance(ABC):
    """Subclass it, set `manifest`, and pytest checks the strategy against the contract.

    Example:
        class TestMyStrategy(StrategyConformance):
            manifest = my_strategy.manifest
    """

    manifest: ClassVar[StrategyManifest]
    """The manifest of the strategy under test."""
    score_names: ClassVar[Sequence[str]] = ("entropy",)
    """Names of the scores that a pool has."""
    arm_names: ClassVar[Sequence[str]] = ("one", "another")
    """Names of the arms that a pool says were tried."""
    many: ClassVar[int] = 200_000
    """Rows of the big pool."""
    many_seconds: ClassVar[float] = 10.0
    """Seconds within which a hundred of them must be picked."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Make the strategy; override it when its factory cannot be imported by name."""
        strategy = make(self.manifest)
        assert isinstance(strategy, Strategy), f"{self.manifest.factory} made no Strategy"
        return strategy

    def test_the_manifest_keeps_to_the_contract(self) -> None:
        """Its options too: each default is a value that the option allows."""
        assert manifest_problems(self.manifest) == []

    @PROPERTY
    @given(data=st.data(), count=st.integers(0, 40), seed=st.integers(0, 2**31 - 1))
    def test_picks_are_distinct_rows_as_many_as_asked(
        self, strategy: Strategy, data: st.DataObject, count: int, seed: int
    ) -> None:
        """Also from an empty pool, and when more is asked than there is."""
        pool = data.draw(self.any_pool())
        assert_picks_sound(strategy.pick(pool, count, seed), pool, count)

    @PROPERTY
    @given(data=st.data(), count=st.integers(0, 40), seed=st.integers(0, 2**31 - 1))
    def test_same_pool_and_seed_give_the_same_picks(
        self, strategy: Strategy, data: st.DataObject, count: int, seed: int
    ) -> None:
        """Whatever was picked in between."""
        pool = data.draw(self.any_pool())
        first = list(strategy.pick(pool, count, seed))
        strategy.pick(pool, count, seed + 1)
        assert list(strategy.pick(pool, count, seed)) == first

    @PROPERTY
    @given(data=st.data(), count=st.integers(0, 40))
    def test_the_pool_is_never_changed(
        self, strategy: Strategy, data: st.DataObject, count: int
    ) -> None:
        """Other strategies see it too."""
        pool = data.draw(self.any_pool())
        before = {name: array.copy() for name, array in arrays_of(pool).items()}
        strategy.pick(pool, count, 0)
        after = arrays_of(pool)
        assert set(after) == set(before), "arrays were added to or taken from the pool"
        for name, array in before.items():
            assert np.array_equal(after[name], array, equal_nan=True), f"{name} was changed"

    @PROPERTY
    @given(data=st.data(), seed=st.integers(0, 2**31 - 1))
    def test_rows_not_described_yet_come_last(
        self, strategy: Strategy, data: st.DataObject, seed: int
    ) -> None:
        """What the model has not seen is not worth more than what it has."""
        if not self.manifest.needs:
            pytest.skip("the strategy needs no description")
        pool = data.draw(self.any_pool())
        order = [pick.index for pick in strategy.pick(pool, len(pool.ids), seed)]
        unknown = [is_unknown(pool, row) for row in order]
        assert unknown == sorted(unknown), f"undescribed rows stand among others: {unknown}"

    def test_a_pool_that_nobody_described_is_ordered(self, strategy: Strategy) -> None:
        """Before the first model, and right after a promotion."""
        ids = np.arange(1, 21, dtype=np.int64)
        nothing = np.zeros(20, bool)
        described = self._pool(ids, nothing)
        for pool in (described, Pool(ids=ids, options=self._defaults())):
            assert_picks_sound(strategy.pick(pool, 7, 1), pool, 7)

    def test_every_option_may_be_given(self, strategy: Strategy) -> None:
        """Each choice, and each number that bounds an option, with the defaults of the others."""
        ids = np.arange(1, 41, dtype=np.int64)
        for name, option in self.manifest.options.items():
            for value in edge_values(option):
                pool = self._pool(ids, ids % 8 > 0, {name: value})
                picks = list(strategy.pick(pool, 9, 1))
                assert_picks_sound(picks, pool, 9)
                assert list(strategy.pick(pool, 9, 1)) == picks, f"{name} = {value!r} is no seed"

    def test_a_big_pool_is_picked_from_in_time(self, strategy: Strategy) -> None:
        """No loop over the rows."""
        ids = np.arange(1, self.many + 1, dtype=np.int64)
        pool = self._pool(ids, ids % 10 > 0)
        began = time.perf_counter()
        picks = strategy.pick(pool, 100, 3)
        took = time.perf_counter() - began
        assert_picks_sound(picks, pool, 100)
        assert took <= self.many_seconds, f"picking from {self.many} rows took {took:.1f} s"

    def any_pool(self) -> st.SearchStrategy[Pool]:
        """Pools with what the manifest says that the strategy needs, and nothing more."""
        return pools(
            needs=self.manifest.needs,
            names=tuple(self.score_names),
            arms=tuple(self.arm_names),
            options=self.manifest.options,
        )

    def _defaults(self) -> dict[str, Json]:
        return {name: option.default for name, option in self.manifest.options.items()}

    def _pool(
        self,
        ids: npt.NDArray[np.int64],
        described: npt.NDArray[np.bool_],
        given: Mapping[str, Json] = MappingProxyType({}),
    ) -> Pool:
        options = {**self._defaults(), **given}
        return made_pool(ids, described, self.manifest.needs, self.score_names, options=options)


def assert_picks_sound(picks: Sequence[Pick], pool: Pool, count: int) -> None:
    """Check number, rows, scores and reasons of picks."""
    wanted = min(count, len(pool.ids))
    assert len(picks) == wanted, f"{len(picks)} rows were picked; {wanted} are wanted"
    rows = [operator.index(pick.index) for pick in picks]
    assert len(set(rows)) == len(rows), f"some rows were picked twice: {rows}"
    assert all(0 <= row < len(pool.ids) for row in rows), f"some rows do not exist: {rows}"
    for pick in picks:
        assert math.isfinite(pick.score), f"the score of row {pick.index} is {pick.score}"
        assert pick.reason.strip(), f"row {pick.index} was picked without a reason"
        assert len(pick.arm) <= MOST_ARM, f"row {pick.index} has an arm of {len(pick.arm)} letters"
        assert pick.arm.isprintable(), f"row {pick.index} has the arm {pick.arm!r}"


def arrays_of(pool: Pool) -> dict[str, npt.NDArray[Any]]:
    """Return every array of a pool, by name."""
    named = {
        "ids": pool.ids,
        "class_scores": pool.class_scores,
        "class_fractions": pool.class_fractions,
        "embedding": pool.embedding,
        "labelled_embedding": pool.labelled_embedding,
        "cost": pool.cost,
        **{f"scores[{name}]": array for name, array in pool.scores.items()},
    }
    return {name: array for name, array in named.items() if array is not None}


def is_unknown(pool: Pool, row: int) -> bool:
    """Whether nothing is known of a row."""
    columns = [*pool.scores.values(), pool.class_scores, pool.class_fractions, pool.embedding]
    return all(bool(np.isnan(each[row]).all()) for each in columns if each is not None)
