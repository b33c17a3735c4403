"""Who is let in, and when, on a simulated clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asr_core.budget import Allowance, Budget, Resource
from asr_core.live.line import WaitingLine


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_first_come_first_served_and_nobody_presses_anything() -> None:
    line = WaitingLine(lambda: 1, Clock())
    assert [line.enter(who) for who in "abc"] == [True, False, False]
    assert [line.place(who) for who in "abc"] == [None, 1, 2]
    line.leave("a")
    assert [line.enter(who) for who in "cb"] == [False, True]
    assert line.place("c") == 1


def test_who_closed_the_tab_loses_the_place() -> None:
    clock = Clock()
    line = WaitingLine(lambda: 1, clock)
    assert [line.enter(who) for who in "abc"] == [True, False, False]
    clock.now = 4
    line.enter("c")
    clock.now = 6
    assert line.place("b") is None
    assert line.place("c") == 1


def test_the_line_is_full_with_two_for_each_place() -> None:
    clock = Clock()
    line = WaitingLine(lambda: 2, clock)
    for who in "abcde":  # the first is in, until the second may follow
        line.enter(who)
        assert line.is_full == (who == "e")
    clock.now = 6
    assert not line.is_full  # all who waited have closed their tabs


def test_the_estimate_learns_how_long_people_stay() -> None:
    clock = Clock()
    line = WaitingLine(lambda: 1, clock)
    for _ in range(30):
        line.enter("a")
        clock.now += 30
        line.leave("a")
    line.enter("a")
    line.enter("b")
    assert 25 < (line.wait_s("b") or 0) < 40
    assert line.wait_s("a") is None


def test_the_second_half_comes_in_one_by_one() -> None:
    clock = Clock()
    line = WaitingLine(lambda: 4, clock)
    let_in = []
    for _ in range(30):
        let_in.append(sum([line.enter(who) for who in "abcdef"]))
        clock.now += 0.5
    assert let_in == [2] * 10 + [3] * 10 + [4] * 10


def test_who_comes_in_is_measured_before_the_next_one_does() -> None:
    """The machine turns out slower with the second speaker: the third waits."""
    clock = Clock()
    line = WaitingLine(lambda: 3 if line.n_inside < 2 else 2, clock)
    for _ in range(60):
        for who in "abc":
            line.enter(who)
        clock.now += 0.5
    assert line.n_inside == 2
    assert line.place("c") == 1


def test_who_comes_when_the_line_is_full_does_not_wait() -> None:
    clock = Clock()
    line = WaitingLine(lambda: 1, clock)
    for who in range(1_000):
        line.enter(who)
    assert (line.n_inside, line.n_waiting) == (1, 2)
    assert [line.place(who) for who in (1, 2, 3)] == [1, 2, None]
    assert [line.join(who) for who in (0, 2, 4)] == [True, True, False]


def test_who_joins_waits_without_being_let_in_and_is_forgotten_without_asking() -> None:
    clock = Clock()
    line = WaitingLine(lambda: 1, clock)
    assert line.join("a")
    assert (line.n_inside, line.place("a")) == (0, 1)
    assert line.enter("a")
    line.join("b")
    clock.now = 6
    assert line.place("b") is None


def test_the_lines_of_two_models_share_one_budget() -> None:
    speakers = Budget({Resource.SPEAKERS: Allowance(2, 2, "No more than {what}.")})
    lines = [WaitingLine(lambda: 9, Clock(), speakers) for _ in range(2)]
    assert [line.enter((number, n)) for n in (1, 2) for number, line in enumerate(lines)] == [
        True, True, False, False,
    ]  # fmt: skip
    lines[0].leave((0, 1))
    assert lines[1].enter((1, 2))
    assert not lines[0].enter((0, 2))
    lines[1].leave((1, 2))
    lines[1].leave((1, 1))
    assert speakers.used(Resource.SPEAKERS, (1, 1)) == 0
    assert lines[0].enter((0, 2))


class Page:
    """One that a user has open."""

    def __init__(self, owner: str) -> None:
        self.owner = owner


def test_one_user_takes_two_places_and_not_all() -> None:
    clock = Clock()
    budget = Budget({Resource.SPEAKERS: Allowance(9, 9, "No more than {what}.")})
    lines = [WaitingLine(lambda: 9, clock, budget) for _ in range(2)]
    pages = [Page("greedy") for _ in range(5)]
    assert lines[0].enter(pages[0])
    clock.now += 10
    assert lines[1].enter(pages[1])
    for page in pages[2:]:
        assert lines[0].has_enough(page)
        assert not lines[0].enter(page)
        assert lines[0].place(page) is None  # nobody waits behind them in vain
    clock.now += 10
    assert lines[0].enter(Page("somebody else"))
    lines[1].leave(pages[1])
    clock.now += 10
    assert lines[0].enter(pages[2])


@given(st.integers(1, 5))
def test_who_is_in_stays_in_when_the_machine_gets_slower(capacity: int) -> None:
    room = [capacity]
    clock = Clock()
    line = WaitingLine(lambda: room[0], clock)
    for n in range(capacity):
        clock.now += 10
        assert line.enter(n)
    room[0] = 1
    assert all(line.enter(n) for n in range(capacity))
    assert not line.enter("new")


class Crowd(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.line = WaitingLine(lambda: 3, self.clock)
        self.asked: list[int] = []

    @rule()
    def settle(self) -> None:
        self.clock.now += 5
        for who in list(self.asked):
            self.ask(who)

    @rule(who=st.integers(0, 8))
    def ask(self, who: int) -> None:
        if self.line.enter(who):
            if who in self.asked:
                # Only as many may stand before as there were free places.
                assert self.asked.index(who) < 3
                self.asked.remove(who)
        elif who not in self.asked and self.line.place(who) is not None:
            self.asked.append(who)

    @rule(who=st.integers(0, 8))
    def leave(self, who: int) -> None:
        self.line.leave(who)
        if who in self.asked:
            self.asked.remove(who)

    @invariant()
    def never_too_many(self) -> None:
        assert self.line.n_inside <= 3
        assert self.line.n_waiting <= 6
        assert self.line.n_waiting == len(self.asked)


TestCrowd = Crowd.TestCase
