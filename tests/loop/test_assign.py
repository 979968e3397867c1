"""Next, renew, release, skip: who holds what."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from limner.errors import Conflict, InvalidRequest, NotFound
from limner.loop.assign import Lent, Nothing
from limner.loop.picking import is_validation_turn
from limner.records.rows import Assignment


def reason(answer: Lent | Nothing) -> str:
    assert isinstance(answer, Nothing), answer
    return answer.reason


@pytest.fixture
def lending(house: Any) -> Any:
    house.project(validation_share=0, lease_minutes=10)
    return house


def test_next_hands_out_the_queue_in_its_order(lending: Any) -> None:
    samples = lending.pool(6)
    lending.queue([samples[4], samples[1], samples[3]])
    lent = [lending.next() for _ in range(3)]
    assert [each.sample.id for each in lent] == [samples[4].id, samples[1].id, samples[3].id]
    assert [each.assignment.strategy for each in lent] == ["unsure"] * 3
    assert lent[0].assignment.score == 1.0
    assert lent[0].assignment.reason == "place 0"
    assert lending.projects.get("liver").queued == 0


def test_next_goes_on_in_random_order_when_the_queue_is_empty(lending: Any) -> None:
    samples = lending.pool(5)
    got = [lending.next().sample.id for _ in range(5)]
    assert got == [each.id for each in sorted(samples, key=lambda each: each.draw)]


def test_an_assignment_ends_after_the_lease_of_the_settings(lending: Any) -> None:
    lending.pool(1)
    lent = lending.next()
    assert lent.assignment.expires_at == lending.clock() + 600


def test_nobody_gets_what_another_holds(lending: Any) -> None:
    lending.pool(3)
    held = {lending.next(f"a{number}").sample.id for number in range(3)}
    assert len(held) == 3
    assert "held by others" in reason(lending.assignments.next("liver", "late"))


def test_sixteen_threads_never_get_the_same_sample(lending: Any) -> None:
    samples = lending.pool(200)
    lending.queue(samples[:100])
    got: list[int] = []
    barrier = threading.Barrier(16)

    def work(number: int) -> None:
        barrier.wait(timeout=30)
        while isinstance(answer := lending.assignments.next("liver", f"a{number}"), Lent):
            got.append(answer.sample.id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(got) == [each.id for each in samples]
    assert lending.kept_counts() == lending.scanned_counts()


def test_what_expired_comes_back_at_its_place(lending: Any) -> None:
    samples = lending.pool(4)
    lending.queue(samples)
    first = lending.next("ann")
    lending.clock.now += 601
    again = lending.next("bob")
    assert again.sample.id == first.sample.id
    assert lending.assignments.get(first.assignment.id).state == "expired"
    assert again.assignment.reason == first.assignment.reason


def test_a_clock_set_back_lends_nothing_for_ever(lending: Any) -> None:
    lending.pool(1)
    lending.next("ann")
    lending.clock.now -= 1_000_000
    assert "held by others" in reason(lending.assignments.next("liver", "bob"))
    lending.clock.now += 601
    assert lending.next("bob").assignment.annotator == "bob"


def test_renew_lends_for_the_full_time_again(lending: Any) -> None:
    lending.pool(1)
    lent = lending.next()
    lending.clock.now += 500
    assert lending.assignments.renew(lent.assignment.id).expires_at == lending.clock() + 600


def test_renew_after_expiry_works_while_nobody_took_it(lending: Any) -> None:
    samples = lending.pool(2)
    lending.queue(samples)
    lent = lending.next("ann")
    lending.clock.now += 601
    other = lending.next("bob")
    assert other.sample.id == lent.sample.id
    lending.assignments.release(other.assignment.id)
    renewed = lending.assignments.renew(lent.assignment.id)
    assert renewed.state == "held"
    assert renewed.ended_at is None
    assert lending.next("bob").sample.id != lent.sample.id
    assert lending.kept_counts() == lending.scanned_counts()


def test_renew_after_expiry_conflicts_once_taken(lending: Any) -> None:
    lending.pool(1)
    lent = lending.next("ann")
    lending.clock.now += 601
    lending.next("bob")
    with pytest.raises(Conflict, match="has been taken since"):
        lending.assignments.renew(lent.assignment.id)


def test_release_puts_a_sample_back_at_its_place(lending: Any) -> None:
    samples = lending.pool(4)
    lending.queue(samples)
    first, second = lending.next("ann"), lending.next("ann")
    lending.assignments.release(second.assignment.id)
    lending.assignments.release(first.assignment.id)
    got = [lending.next("bob").sample.id for _ in range(4)]
    assert got == [each.id for each in samples]


def test_a_release_into_a_new_queue_goes_first(lending: Any) -> None:
    samples = lending.pool(5)
    lending.queue(samples)
    lent = lending.next("ann")
    lending.queue(samples[1:])
    lending.assignments.release(lent.assignment.id)
    assert lending.next("bob").sample.id == lent.sample.id
    assert lending.kept_counts() == lending.scanned_counts()


def test_releasing_twice_changes_nothing(lending: Any) -> None:
    lending.queue(lending.pool(2))
    lent = lending.next()
    released = lending.assignments.release(lent.assignment.id)
    assert lending.assignments.release(lent.assignment.id) == released
    assert lending.kept_counts() == lending.scanned_counts()


def test_a_skipped_sample_goes_last_and_not_to_the_same_person(lending: Any) -> None:
    samples = lending.pool(3)
    lending.queue(samples)
    lent = lending.next("ann")
    lending.assignments.skip(lent.assignment.id, "blurred")
    assert [lending.next("ann").sample.id for _ in range(2)] == [samples[1].id, samples[2].id]
    assert "hold all that is left" in reason(lending.assignments.next("liver", "ann"))
    assert lending.next("bob").sample.id == samples[0].id


def test_after_enough_skips_nobody_gets_it_until_looked_at(lending: Any) -> None:
    (sample,) = lending.pool(1)
    for number in range(3):
        lending.assignments.skip(lending.next(f"a{number}").assignment.id, "no liver")
    aside = lending.samples.get("liver", sample.id)
    assert aside.state == "set_aside"
    assert "no liver" in aside.reason
    assert "set aside" in reason(lending.assignments.next("liver", "new"))
    lending.samples.change("liver", sample.id, state="ready", actor="chief")
    assert lending.next("a0").sample.id == sample.id
    assert lending.kept_counts() == lending.scanned_counts()


def test_one_who_skipped_all_is_told_so(lending: Any) -> None:
    lending.pool(1)
    lending.assignments.skip(lending.next("ann").assignment.id, "")
    assert "skipped all" in reason(lending.assignments.next("liver", "ann"))


def test_an_expired_assignment_can_still_be_skipped(lending: Any) -> None:
    lending.pool(1)
    lent = lending.next("ann")
    lending.clock.now += 601
    lending.next("bob")
    lending.assignments.skip(lent.assignment.id, "too hard")
    assert lending.samples.get("liver", lent.sample.id).skips == 1


@pytest.mark.parametrize("ending", ["release", "skip", "renew"])
def test_what_a_skip_ended_cannot_be_ended_or_renewed(lending: Any, ending: str) -> None:
    lending.pool(2)
    number = lending.next().assignment.id
    lending.assignments.skip(number, "")
    arguments = (number, "") if ending == "skip" else (number,)
    with pytest.raises(Conflict, match="skipped"):
        getattr(lending.assignments, ending)(*arguments)


def test_one_annotator_holds_so_many_at_most(house: Any) -> None:
    house.project(validation_share=0, max_held=2)
    house.pool(5)
    lent = [house.next(), house.next()]
    assert reason(house.assignments.next("liver", "ann")) == (
        "You hold 2 samples; submit, release or skip one first."
    )
    assert [each.id for each in house.assignments.held("liver", "ann")] == [
        each.assignment.id for each in lent
    ]


def test_who_makes_room_gives_back_the_oldest_only_once_there_is_another(house: Any) -> None:
    house.project(validation_share=0, max_held=2, lease_minutes=10)
    house.pool(3)
    oldest, second = house.next(), house.next()
    house.clock.now += 60
    third = house.assignments.next("liver", "ann", makes_room=True)
    held = [each.id for each in house.assignments.held("liver", "ann")]
    assert held == [second.assignment.id, third.assignment.id]
    house.next("bob")  # takes what was given back, so that nothing else is free
    again = house.assignments.next("liver", "ann", makes_room=True)
    assert again.assignment.id == second.assignment.id
    assert again.assignment.expires_at == house.clock() + 600
    assert [each.id for each in house.assignments.held("liver", "ann")] == held
    assert house.assignments.get(oldest.assignment.id).state == "released"
    assert house.kept_counts() == house.scanned_counts()


def test_without_samples_it_says_so(lending: Any) -> None:
    assert "no samples yet" in reason(lending.assignments.next("liver", "ann"))


def test_two_readings_go_to_two_annotators_and_no_third(house: Any) -> None:
    house.project(validation_share=0, readings=2)
    house.queue(house.pool(1))
    lent = [house.next("ann"), house.next("bob")]
    assert {each.assignment.slot for each in lent} == {0, 1}
    assert "held by others" in reason(house.assignments.next("liver", "cyd"))
    assert "held by others" in reason(house.assignments.next("liver", "ann"))
    assert house.kept_counts() == house.scanned_counts()


def test_a_reader_never_gets_a_sample_twice(house: Any) -> None:
    house.project(validation_share=0, readings=2)
    (sample,) = house.volumes(1)
    house.submit(sample.id, "ann", assignment_id=house.next("ann").assignment.id)
    assert house.samples.get("liver", sample.id).state == "ready"
    assert "labelled all that is left" in reason(house.assignments.next("liver", "ann"))
    assert house.next("bob").sample.id == sample.id


def test_every_fifth_hand_out_is_for_validation_and_never_the_first(house: Any) -> None:
    house.project(max_held=100)
    house.queue(house.pool(40)[:30])
    purposes = [house.next().assignment.purpose for _ in range(15)]
    assert [n for n, each in enumerate(purposes, 1) if each == "validation"] == [3, 8, 13]


@pytest.mark.parametrize(
    ("share", "turns"),
    [(0.5, [2, 4, 6, 8]), (1 / 3, [2, 5, 8]), (0.25, [3, 7]), (0.1, [6]), (0.0, [])],
)
def test_validation_turns_follow_the_share(share: float, turns: list[int]) -> None:
    assert [n for n in range(1, 10) if is_validation_turn(n, share)] == turns


def test_a_validation_sample_leaves_the_queue_and_is_never_for_training(house: Any) -> None:
    house.project(validation_share=0.5, validation_target=2, max_held=100)
    samples = house.pool(8)
    house.queue(samples)
    lent = [house.next() for _ in range(8)]
    drawn = {each.sample.id for each in lent if each.assignment.purpose == "validation"}
    assert len(drawn) == 2
    assert all(each.sample.is_validation == (each.sample.id in drawn) for each in lent)
    for each in lent:
        house.assignments.release(each.assignment.id)
    house.queue(samples)
    assert house.projects.get("liver").queued == 6
    again = [house.next("bob") for _ in range(8)]
    assert {e.sample.id for e in again if e.assignment.purpose == "validation"} == drawn


def test_validation_is_drawn_no_further_than_its_target(house: Any) -> None:
    house.project(validation_share=0.5, validation_target=2, max_held=100)
    house.volumes(12)
    for _ in range(12):
        lent = house.next()
        house.submit(lent.sample.id, assignment_id=lent.assignment.id)
    assert house.projects.get("liver").validation == 2


def test_validation_is_drawn_regardless_of_the_queue(make_house: Any) -> None:
    """The same seed draws the same validation set, whatever a strategy thinks of the samples."""
    drawn = []
    for backwards in (False, True):
        house = make_house()
        house.project(validation_share=0.5, validation_target=3, max_held=100)
        in_turn = sorted(house.pool(20), key=lambda each: each.draw)
        house.queue(in_turn[14::-1] if backwards else in_turn[:15])
        lent = [house.next() for _ in range(6)]
        drawn.append([e.sample.id for e in lent if e.assignment.purpose == "validation"])
    assert drawn[0] == drawn[1] == [each.id for each in in_turn[:-4:-1]]


def test_random_that_is_asked_for_does_not_look_at_the_queue(lending: Any) -> None:
    samples = lending.pool(6)
    in_turn = sorted(samples, key=lambda each: each.draw)
    lending.queue(in_turn[:2:-1])
    lent = [lending.next(strategy="random") for _ in range(4)]
    assert [each.sample.id for each in lent] == [each.id for each in in_turn[:4]]
    assert {each.assignment.strategy for each in lent} == {"random"}
    assert "as was asked for" in lent[0].assignment.reason
    # What was lent has left the queue, and the queue goes on in its order.
    assert lending.next().sample.id == in_turn[5].id
    assert lending.kept_counts() == lending.scanned_counts()


def test_first_that_is_asked_for_goes_by_name(lending: Any) -> None:
    for name in ("b/2.nii", "c.nii", "a.nii", "b/10.nii"):
        lending.volume(name)
    lending.ingest.sync("liver")
    lending.queue(lending.samples.list("liver").items)
    lent = [lending.next(strategy="first") for _ in range(4)]
    assert [each.sample.name for each in lent] == ["a", "b/10", "b/2", "c"]
    assert {each.assignment.strategy for each in lent} == {"first"}
    assert lending.projects.get("liver").queued == 0


def test_first_passes_over_what_others_hold_or_one_has_skipped(lending: Any) -> None:
    lending.pool(3)
    first, second = lending.next("bob", "first"), lending.next("ann", "first")
    lending.assignments.skip(second.assignment.id, "blurred")
    third = lending.next("ann", "first")
    names = [each.sample.name for each in (first, second, third)]
    assert names == ["case0000", "case0001", "case0002"]
    assert "held by others" in reason(lending.assignments.next("liver", "ann", "first"))


def test_the_own_strategy_that_is_asked_for_is_the_queue(lending: Any) -> None:
    samples = lending.pool(4)
    lending.queue(samples[::-1])
    lent = lending.next(strategy="unsure")
    assert (lent.sample.id, lent.assignment.strategy) == (samples[3].id, "unsure")
    assert lent.assignment.reason == "place 0"


@pytest.mark.parametrize("strategy", ["", "in-turn", "Random", "epistemic", "x" * 5000])
def test_an_unknown_strategy_is_not_found_and_lends_nothing(lending: Any, strategy: str) -> None:
    lending.pool(1)
    with pytest.raises(NotFound, match="hands out by unsure, random, first") as refused:
        lending.assignments.next("liver", "ann", strategy)
    assert len(str(refused.value)) < 300
    assert lending.assignments.held("liver", "ann") == []
    assert lending.projects.get("liver").next_calls == 0


@pytest.mark.parametrize("strategy", ["random", "first"])
def test_validation_turns_come_whatever_is_asked_for(house: Any, strategy: str) -> None:
    house.project(max_held=100)
    in_turn = sorted(house.pool(20), key=lambda each: each.draw)
    lent = [house.next(strategy=strategy) for _ in range(10)]
    drawn = [n for n, each in enumerate(lent, 1) if each.assignment.purpose == "validation"]
    assert drawn == [3, 8]
    # They are drawn from the far end of the random order, as ever.
    assert {lent[number - 1].sample.id for number in drawn} == {each.id for each in in_turn[-2:]}


@pytest.mark.parametrize("strategy", ["random", "first"])
def test_what_is_asked_for_is_never_a_sample_of_the_validation_set(
    house: Any, strategy: str
) -> None:
    house.project(validation_share=0.5, validation_target=2, max_held=100)
    house.pool(6)
    for _ in range(2):
        house.next("bob")
    for each in house.assignments.held("liver", "bob"):
        house.assignments.release(each.id)
    lent = [house.next("ann", strategy) for _ in range(6)]
    for each in lent:
        assert (each.assignment.purpose == "validation") == each.sample.is_validation


def test_a_low_queue_asks_for_picks_while_samples_wait(house: Any) -> None:
    house.project(validation_share=0, queue_length=10)
    samples = house.pool(30)
    house.queue(samples[:10])
    project = house.projects.get("liver")
    for _ in range(8):
        house.next()
    assert house.jobs.unfinished(project.id) == ()
    house.next()
    house.next()
    house.clock.now += 10
    house.next()
    assert [job.kind for job in house.jobs.unfinished(project.id)] == ["score"]


def test_a_queue_that_holds_all_that_waits_asks_for_nothing(house: Any) -> None:
    house.project(validation_share=0, queue_length=500)
    house.queue(house.pool(10))
    for _ in range(3):
        house.next()
        house.clock.now += 60
    assert house.jobs.unfinished(house.projects.get("liver").id) == ()


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\x00", "\ud800"])
def test_a_name_that_cannot_be_used_is_refused(lending: Any, name: str) -> None:
    with pytest.raises(InvalidRequest, match="annotator"):
        lending.assignments.next("liver", name)


def test_unknown_things_are_not_found(lending: Any) -> None:
    with pytest.raises(NotFound, match="no assignment 99"):
        lending.assignments.get(99)
    with pytest.raises(NotFound, match="no project 'nobody'"):
        lending.assignments.next("nobody", "ann")
    lending.pool(1)
    number = lending.next().assignment.id
    lending.projects.delete("liver", "chief")
    with pytest.raises(NotFound, match="deleted"):
        lending.assignments.renew(number)


def test_the_records_themselves_refuse_a_second_holder(lending: Any) -> None:
    from sqlalchemy.exc import IntegrityError

    from limner.records import assignments as assignment_rows

    lending.pool(1)
    held: Assignment = lending.next().assignment
    values = {name: getattr(held, name) for name in held.__slots__ if name not in ("id",)}
    with (
        pytest.raises(IntegrityError, match="UNIQUE"),
        lending.records.write() as tx,
    ):
        assignment_rows.add(tx, **{**values, "annotator": "bob"})
