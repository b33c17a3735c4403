"""Admission of speakers, on a simulated clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.streaming.admission import AdmissionQueue


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_visitors_are_admitted_in_order_without_asking_again() -> None:
    queue = AdmissionQueue(lambda: 1, Clock())
    assert [queue.enter(who) for who in "abc"] == [True, False, False]
    assert [queue.position(who) for who in "abc"] == [None, 1, 2]
    queue.leave("a")
    assert [queue.enter(who) for who in "cb"] == [False, True]
    assert queue.position("c") == 1


def test_a_visitor_who_closed_the_tab_loses_their_place() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 1, clock)
    assert [queue.enter(who) for who in "abc"] == [True, False, False]
    clock.now = 4
    queue.enter("c")
    clock.now = 6
    assert queue.position("b") is None
    assert queue.position("c") == 1


def test_the_queue_is_full_with_two_for_each_place() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 2, clock)
    for who in "abcde":  # the first is admitted, until the second may follow
        queue.enter(who)
        assert queue.is_full == (who == "e")
    clock.now = 6
    assert not queue.is_full  # everyone waiting has closed their tab


def test_the_waiting_time_is_estimated_from_past_stays() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 1, clock)
    for _ in range(30):
        queue.enter("a")
        clock.now += 30
        queue.leave("a")
    queue.enter("a")
    queue.enter("b")
    assert 25 < (queue.estimated_wait_s("b") or 0) < 40
    assert queue.estimated_wait_s("a") is None


def test_the_second_half_is_admitted_one_by_one() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 4, clock)
    let_in = []
    for _ in range(30):
        let_in.append(sum([queue.enter(who) for who in "abcdef"]))
        clock.now += 0.5
    assert let_in == [2] * 10 + [3] * 10 + [4] * 10


def test_the_load_of_a_new_speaker_is_measured_before_the_next_is_admitted() -> None:
    """If the second speaker makes the machine too slow, the third waits."""
    clock = Clock()
    queue = AdmissionQueue(lambda: 3 if queue.n_admitted < 2 else 2, clock)
    for _ in range(60):
        for who in "abc":
            queue.enter(who)
        clock.now += 0.5
    assert queue.n_admitted == 2
    assert queue.position("c") == 1


def test_a_visitor_who_finds_the_queue_full_does_not_wait() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 1, clock)
    for who in range(1_000):
        queue.enter(who)
    assert (queue.n_admitted, queue.n_waiting) == (1, 2)
    assert [queue.position(who) for who in (1, 2, 3)] == [1, 2, None]
    assert [queue.join(who) for who in (0, 2, 4)] == [True, True, False]


def test_a_visitor_who_only_joins_is_not_admitted_and_soon_forgotten() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 1, clock)
    assert queue.join("a")
    assert (queue.n_admitted, queue.position("a")) == (0, 1)
    assert queue.enter("a")
    queue.join("b")
    clock.now = 9
    assert queue.position("b") == 1  # the connection may still be on its way
    clock.now = 11
    assert queue.position("b") is None


def test_a_visitor_whose_audio_has_stopped_is_soon_forgotten() -> None:
    clock = Clock()
    queue = AdmissionQueue(lambda: 1, clock)
    assert queue.enter("a")
    queue.join("b")
    assert not queue.enter("b")
    clock.now = 6
    assert queue.position("b") is None


def test_the_queues_of_two_models_share_one_budget() -> None:
    speakers = Budget({Resource.SPEAKERS: Quota(2, 2, "No more than {what}.")})
    queues = [AdmissionQueue(lambda: 9, Clock(), speakers) for _ in range(2)]
    assert [queue.enter((number, n)) for n in (1, 2) for number, queue in enumerate(queues)] == [
        True, True, False, False,
    ]  # fmt: skip
    queues[0].leave((0, 1))
    assert queues[1].enter((1, 2))
    assert not queues[0].enter((0, 2))
    queues[1].leave((1, 2))
    queues[1].leave((1, 1))
    assert speakers.used(Resource.SPEAKERS, (1, 1)) == 0
    assert queues[0].enter((0, 2))


class Page:
    """A page that a user has open."""

    def __init__(self, owner: str) -> None:
        self.owner = owner


def test_one_user_takes_at_most_two_places() -> None:
    clock = Clock()
    budget = Budget({Resource.SPEAKERS: Quota(9, 9, "No more than {what}.")})
    queues = [AdmissionQueue(lambda: 9, clock, budget) for _ in range(2)]
    pages = [Page("greedy") for _ in range(5)]
    assert queues[0].enter(pages[0])
    clock.now += 10
    assert queues[1].enter(pages[1])
    for page in pages[2:]:
        assert queues[0].is_at_limit(page)
        assert not queues[0].enter(page)
        assert queues[0].position(page) is None  # so that nobody waits behind them in vain
    clock.now += 10
    assert queues[0].enter(Page("somebody else"))
    queues[1].leave(pages[1])
    clock.now += 10
    assert queues[0].enter(pages[2])


@given(st.integers(1, 5))
def test_admitted_speakers_stay_when_the_machine_gets_slower(capacity: int) -> None:
    room = [capacity]
    clock = Clock()
    queue = AdmissionQueue(lambda: room[0], clock)
    for n in range(capacity):
        clock.now += 10
        assert queue.enter(n)
    room[0] = 1
    assert all(queue.enter(n) for n in range(capacity))
    assert not queue.enter("new")


class Crowd(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = AdmissionQueue(lambda: 3, self.clock)
        self.waiting: list[int] = []

    @rule()
    def settle(self) -> None:
        self.clock.now += 5
        for who in list(self.waiting):
            self.ask(who)

    @rule(who=st.integers(0, 8))
    def ask(self, who: int) -> None:
        if self.queue.enter(who):
            if who in self.waiting:
                # Only as many may be ahead as there were free places.
                assert self.waiting.index(who) < 3
                self.waiting.remove(who)
        elif who not in self.waiting and self.queue.position(who) is not None:
            self.waiting.append(who)

    @rule(who=st.integers(0, 8))
    def leave(self, who: int) -> None:
        self.queue.leave(who)
        if who in self.waiting:
            self.waiting.remove(who)

    @invariant()
    def never_too_many(self) -> None:
        assert self.queue.n_admitted <= 3
        assert self.queue.n_waiting <= 6
        assert self.queue.n_waiting == len(self.waiting)


TestCrowd = Crowd.TestCase
