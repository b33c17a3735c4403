from __future__ import annotations

from collections.abc import Callable

import pytest

from asr_core.full_context import Job
from asr_core.full_context.jobs import JobState
from asr_core.full_context.stored_files import StoredFile
from asr_core.server.workspaces import Workspace, Workspaces


class World:
    """Pages that open and close, and a fake clock."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.now = 0.0
        self.unsaved: set[str] = set()
        self.all = Workspaces(
            self.open.__contains__,
            self.unsaved.__contains__,
            clock=lambda: self.now,
            retention_s=900,
        )

    def page(self, session: str, visitor: str = "me") -> Workspace:
        self.open.add(session)
        return self.all.claim(session, visitor)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds // 5)):
            self.now += 5
            self.all.sweep()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def fill(stored: Callable[..., StoredFile]) -> Callable[[Workspace], StoredFile]:
    """Put a finished file into a workspace; return it."""

    def put(workspace: Workspace) -> StoredFile:
        file = stored(b"sound")
        job = Job("1", "talk.mp3", file, engine=None, state=JobState.DONE)  # type: ignore[arg-type]
        workspace.files.add(job)
        return file

    return put


def test_a_reloaded_page_finds_the_work_of_its_browser(
    world: World, fill: Callable[[Workspace], StoredFile]
) -> None:
    made = world.page("first")
    fill(made)
    world.open.remove("first")
    world.pass_time(800)
    assert world.page("second") is made
    assert world.all.owner_of("first") is None
    assert world.all.owner_of("second") == "me"


def test_no_other_visitor_finds_the_work(
    world: World, fill: Callable[[Workspace], StoredFile]
) -> None:
    made = world.page("first")
    fill(made)
    world.open.remove("first")
    assert world.page("second", "stranger") is not made
    assert world.page("first", "stranger") is not made
    assert world.all.find(made.id, "stranger") is None
    assert world.all.find(made.id, "me") is made


def test_two_pages_of_one_browser_do_not_share(
    world: World, fill: Callable[[Workspace], StoredFile]
) -> None:
    made = world.page("first")
    fill(made)
    other = world.page("second")
    assert other is not made
    assert world.page("first") is made


def test_a_page_opened_before_the_old_connection_ended_finds_the_work_later(
    world: World, fill: Callable[[Workspace], StoredFile]
) -> None:
    made = world.page("first")
    fill(made)
    empty = world.page("second")
    world.pass_time(10)
    world.open.remove("first")
    assert world.all.claim("second", "me", may_move=False) is empty
    assert world.all.claim("second", "me") is made


def test_an_older_page_gives_the_other_time_to_reconnect(
    world: World, fill: Callable[[Workspace], StoredFile]
) -> None:
    made = world.page("first")
    fill(made)
    empty = world.page("second")
    world.pass_time(300)
    world.open.clear()  # a proxy restarts: both are cut, the empty page reconnects first
    assert world.page("second") is empty
    assert world.page("first") is made
    world.open.remove("first")
    world.pass_time(60)
    assert world.page("second") is made


def test_work_without_a_page_is_freed_after_fifteen_minutes_and_reported_once(
    world: World, fill: Callable[[Workspace], StoredFile]
) -> None:
    path = fill(world.page("first")).path
    world.pass_time(3600)  # the page stays open
    world.open.remove("first")
    world.pass_time(895)
    assert len(world.all) == 1 and path.exists()
    world.pass_time(15)
    assert len(world.all) == 0 and not path.exists()
    assert world.all.pop_expired_ago_s("me") is not None
    assert world.all.pop_expired_ago_s("me") is None


def test_words_typed_on_a_page_are_kept_as_long_as_transcripts(world: World) -> None:
    world.page("first")
    world.unsaved.add("first")
    world.open.clear()
    world.pass_time(800)
    assert world.all.owner_of("first") == "me"
    assert world.all.has_content("first")
    world.pass_time(110)
    assert world.all.owner_of("first") is None


def test_a_visit_without_work_is_forgotten_soon_and_silently(world: World) -> None:
    for i in range(2000):
        world.page(f"visit {i}", f"visitor {i}")
    world.open.clear()
    world.pass_time(40)
    assert len(world.all) == 0
    assert world.all.pop_expired_ago_s("visitor 1") is None
