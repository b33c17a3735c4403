"""What the test bench's widgets show to whom; drawn by Streamlit, without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.conditions import CLEAN
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Flag, Store, open_store
from asr_core.evaluation.trial import SystemConfig
from widgets.testbench import pickers

ROLES = {
    "testers": ["*@lab.example"],
    "reviewers": ["chief@lab.example"],
    "operators": ["root@lab.example"],
}
FLAG = Flag("noise", "fell", "Fail.", "talk.wav", "base", "en", 3.0, 4.5)


def signed_in(script: Callable[..., None], claims: dict[str, Any] | None) -> AppTest:
    """Run ``script`` for a user with these claims, without an identity provider."""
    app = AppTest.from_function(script, kwargs={"claims": claims}, default_timeout=60)
    app.secrets["auth"] = {"client_id": "x"}
    app.secrets["roles"] = ROLES
    return app.run()


def claims_of(email: str) -> dict[str, Any]:
    return {"is_logged_in": True, "email": email, "email_verified": True}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with content of Anne, and content from before there were owners."""
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(tmp_path))
    monkeypatch.delenv("ASR_TESTBENCH_URL", raising=False)
    opened = open_store()
    for actor in (Actor("", Role.REVIEWER), Actor("anne@lab.example", Role.TESTER)):
        store = opened.acting(actor)
        audio = np.full(4000, len(actor.name), np.int16)
        case = store.add_case(NewCase(f"of {actor.name}", "said", audio))
        store.add_run("r", [case.id], [CLEAN], [SystemConfig("base")])
        store.add_noise(f"n{len(actor.name)}", audio)
        store.add_flag(FLAG, audio)
    return opened


def actor_page(claims: dict | None) -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from widgets.access import current_actor

    get_script_run_ctx().user_info = claims or {}
    actor = current_actor()
    st.text(f"{actor.name} {actor.role.name}")


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        (None, " GUEST"),
        (claims_of("Root@lab.example"), "root@lab.example OPERATOR"),
        ({**claims_of("root@lab.example"), "email_verified": "false"}, " GUEST"),
        ({**claims_of("root@lab.example"), "email_verified": 0}, " GUEST"),
        ({"is_logged_in": True, "email": "root@lab.example"}, " GUEST"),
        ({**claims_of("root@lab.example"), "is_logged_in": False}, " GUEST"),
    ],
)
def test_the_actor_is_the_user_the_provider_verified(
    claims: dict[str, Any] | None, shown: str
) -> None:
    app = signed_in(actor_page, claims)
    assert [each.value for each in app.text] == [shown.strip()]


def all_sections(claims: dict | None) -> None:
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from asr_core.evaluation.runner import get_runner
    from widgets.testbench import run_section
    from widgets.testbench.cases_section import cases_section
    from widgets.testbench.condition_picker import noise_library
    from widgets.testbench.flags_section import flags_section
    from widgets.testbench.store_access import show_errors, visitor_store

    get_script_run_ctx().user_info = claims or {}
    store = visitor_store()
    assert store is not None
    for draw in (cases_section, flags_section, noise_library):
        with show_errors():
            draw(store)
    run_section._runs(store, get_runner(store), False)  # private: a fragment of the section


def buttons(app: AppTest) -> list[str]:
    """Return the labels of the buttons that change or delete something."""
    changing = ("delete-", "unflag-", "noise-", "drop-", "cancel-", "resume-", "dismiss-", "store-")
    return sorted(
        key.split("-")[0] for each in app.button if (key := each.key or "").startswith(changing)
    )


OWN = ["delete", "drop", "noise", "resume", "unflag"]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("anne@lab.example", OWN),
        ("bert@lab.example", []),
        ("chief@lab.example", sorted([*OWN * 2, "dismiss", "dismiss", "store", "store"])),
    ],
)
def test_only_permitted_changes_have_buttons(bench: Store, email: str, expected: list[str]) -> None:
    app = signed_in(all_sections, claims_of(email))
    assert not app.exception
    assert [each.value for each in app.error] == []
    assert buttons(app) == expected


def test_many_runs_and_noises_come_page_by_page(bench: Store) -> None:
    store = bench.acting(Actor("", Role.REVIEWER))
    for i in range(25):
        store.add_run(f"{i}", [], [CLEAN], [SystemConfig("base")])
        store.add_noise(f"{i}", np.full(200, i, np.int16))
    app = signed_in(all_sections, claims_of("chief@lab.example"))
    assert not app.exception
    assert (buttons(app).count("drop"), buttons(app).count("noise")) == (20, 5)


def test_a_guest_gets_a_message_and_sees_nothing(bench: Store) -> None:
    app = signed_in(all_sections, claims_of("somebody@else.example"))
    assert not app.exception
    assert {each.value for each in app.error} == {
        "Only testers may see what is in the test bench\\."
    }
    assert not app.button


def flagging(claims: dict | None) -> None:
    import io
    from types import SimpleNamespace

    import numpy as np
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    from asr_core.audio.encode import to_flac
    from asr_core.full_context.jobs import Job
    from asr_core.transcript import Segment, Transcript, Word
    from widgets.flagging import flag_transcript

    get_script_run_ctx().user_info = claims or {}
    words = (Word(" Fail", 0.0, 0.5, 0.9),)
    recognised = Transcript((Segment.from_words(words),), 1.0, "en")
    file = SimpleNamespace(open=lambda: io.BytesIO(to_flac(np.ones(16_000, np.int16))))
    job = Job("k", "talk.wav", file, engine=None, model="base")  # type: ignore[arg-type]
    flag_transcript(job, recognised, recognised)


def test_only_testers_are_offered_to_flag(bench: Store) -> None:
    assert not signed_in(flagging, claims_of("somebody@else.example")).button
    app = signed_in(flagging, claims_of("bert@lab.example"))
    assert [each.label for each in app.button] == ["Store the flag", "Add to test set"]
    app.button[0].click().run()
    assert not app.exception
    assert [each.value for each in app.error] == []
    mine = [f for f in bench.acting(Actor("", Role.REVIEWER)).flags() if f.source == "talk.wav"]
    assert "bert@lab.example" in {flag.owner for flag in mine}


def preview_page() -> None:
    from asr_core.evaluation.roles import Actor, Role
    from widgets.testbench.condition_picker import preview
    from widgets.testbench.pickers import filter_by_tags
    from widgets.testbench.store_access import open_store

    store = open_store().acting(Actor("", Role.REVIEWER))
    cases = store.cases()
    preview(store, filter_by_tags(cases, lambda case: case.tags, "Filter by tag", "only"))


def test_many_long_cases_make_a_short_page(bench: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickers, "_MAX_TAG_CHOICES", 20)
    store = bench.acting(Actor("", Role.REVIEWER))
    for i in range(30):
        audio = np.full(200, i, np.int16)
        tags = {"long": f"{i}" + "x" * 190}
        store.add_case(NewCase(f"{i}", f"{i} " + "word " * 1900, audio, tags=tags))
    app = AppTest.from_function(preview_page, default_timeout=60).run()
    assert not app.exception
    assert len(app.selectbox[0].options) == 32
    assert sum(map(len, app.selectbox[0].options)) < 32 * 81
    assert len(app.multiselect[0].options) == 20
    assert max(map(len, app.multiselect[0].options)) <= 80


def tags_page() -> None:
    import streamlit as st

    from widgets.testbench.store_access import show_errors, tag_fields

    with show_errors():
        st.json(tag_fields("k", {"accent": "Manx", "=a|b": "=1+1, or 2"}))


def test_tags_that_cannot_be_edited_are_kept() -> None:
    app = AppTest.from_function(tags_page).run()
    assert [each.value for each in app.error] == []
    assert json.loads(app.json[0].value) == {"accent": "Manx", "=a|b": "=1+1, or 2"}
    app.text_input(key="k-other").set_value("age=60s").run()
    assert json.loads(app.json[0].value) == {"accent": "Manx", "age": "60s"}


def diff_page() -> None:
    from asr_core.evaluation.conditions import CLEAN
    from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult
    from asr_core.transcript import Word
    from widgets.testbench.word_diff import word_diff

    recognised = tuple(
        Word(f" {w}", i, i + 1, 0.5) for i, w in enumerate(["It's", "25", "or", "<b>26</b>"])
    )
    word_diff(
        Trial(
            "a",
            "a",
            "It is twenty five or 27 now",
            "en",
            CLEAN,
            SystemConfig("base"),
            TrialResult(recognised),
        )
    )


def test_marked_differences_are_the_counted_errors_with_both_texts_as_compared() -> None:
    [drawn] = [each.proto.body for each in AppTest.from_function(diff_page).run().get("html")]
    assert '<span title="0.0 s">It is</span> <span title="1.0 s">twenty five</span>' in drawn
    assert drawn.count("line-through") == 2
    assert "&lt;b&gt;26&lt;/b&gt;</span>" in drawn
    assert "Reference: it is 2 5 or 2 7 now<" in drawn
    assert "Hypothesis: it is 2 5 or 2 6<" in drawn
