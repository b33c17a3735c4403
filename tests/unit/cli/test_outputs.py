from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_core.cli.outputs import normalise_path, result_path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a sibling."""
    folder = tmp_path / "home" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def place(recording: str, directory: str = "out", extension: str = "srt") -> str:
    """Return where the result goes, relative to the output folder."""
    result = result_path(normalise_path(recording), Path(directory), extension)
    return str(result.relative_to(directory))


def test_folders_and_whole_names_are_kept(here: Path) -> None:
    assert place("talk.mp3") == "talk.mp3.srt"
    assert place("mon/meeting.wav") == "mon/meeting.wav.srt"
    assert place("a.b/talk") == "a.b/talk.srt"
    assert place("talk...") == "talk....srt"


def test_every_spelling_of_a_path_gives_one_output(here: Path) -> None:
    (here / "tue").mkdir()
    spellings = ["mon/a.wav", "./mon//a.wav", "tue/../mon/a.wav", str(here / "mon" / "a.wav")]
    assert {place(each) for each in spellings} == {"mon/a.wav.srt"}


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("out/2026/may", "mon/a.wav.srt"),
        (".", "mon/a.wav.srt"),
        ("..", "here/mon/a.wav.srt"),
        ("../out", "here/mon/a.wav.srt"),
    ],
)
def test_paths_are_relative_to_the_common_folder(directory: str, expected: str, here: Path) -> None:
    assert place("mon/a.wav", directory) == expected


def test_one_output_folder_serves_many_current_folders(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = set()
    for day in ("mon", "tue"):
        (here / day).mkdir()
        monkeypatch.chdir(here / day)
        places.add(place("meeting.wav", str(here / "out")))
    assert places == {"mon/meeting.wav.srt", "tue/meeting.wav.srt"}


def test_a_recording_outside_the_folder_keeps_its_whole_path(here: Path) -> None:
    assert place("/data/mon/a.wav") == "_/data/mon/a.wav.srt"
    beside = here.parent / "a.wav"
    assert place("../a.wav") == f"_{beside}.srt"


def test_no_path_inside_the_folder_looks_like_one_from_outside(here: Path) -> None:
    assert place("_/data/a.wav") == "__/data/a.wav.srt"
    assert place("__/data/a.wav") == "___/data/a.wav.srt"
    assert place("_") == "_.srt"


def test_a_linked_folder_keeps_the_name_of_its_link(here: Path) -> None:
    (here.parent / "big").mkdir()
    (here / "data").symlink_to(here.parent / "big")
    assert place("data/a.wav") == "data/a.wav.srt"
    assert place("data/../a.wav") == f"_{here.parent / 'a.wav'}.srt"  # resolved as by the system


def test_a_linked_current_folder_is_the_same_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.parent / "link").symlink_to(here)
    monkeypatch.chdir(here.parent / "link")
    assert place(str(here.parent / "link" / "a.wav")) == "a.wav.srt"


@pytest.mark.parametrize("letter", ["n", "ä", "語", "\udce4"])
def test_the_longest_names_stay_apart_and_can_be_written(letter: str, here: Path) -> None:
    n_most = 255 // len(os.fsencode(letter))
    stem = letter * (n_most - 2)
    places = [result_path(normalise_path(f"{stem}{end}"), Path("out"), "json") for end in "ab"]
    assert len(set(places)) == 2
    for each in places:
        each.parent.mkdir(exist_ok=True)
        each.write_bytes(b"")
        assert each.name.endswith(".json")


def test_standard_input_gets_an_output_at_the_top(here: Path) -> None:
    assert result_path(PurePath("stdin-ab"), Path("out"), "txt") == Path("out/stdin-ab.txt")


def test_case_insensitive_file_systems_keep_results_apart(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "out" / "mon").mkdir(parents=True)
    (here / "out" / "mon" / "Talk.wav.srt").touch()
    entries = {path.name.lower() for path in (here / "out" / "mon").iterdir()}
    monkeypatch.setattr(Path, "is_file", lambda path: path.name.lower() in entries)
    assert place("mon/Talk.wav") == "mon/Talk.wav.srt"
    other = place("mon/talk.wav")
    assert other.lower() != "mon/talk.wav.srt"
    assert other.startswith("mon/talk.wav~") and other.endswith(".srt")
    entries.add(Path(other).name.lower())
    assert place("mon/talk.wav") == other


PARTS = st.lists(st.sampled_from(["_", "__", "a", "a.srt", "out", "A"]), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.booleans(), PARTS), min_size=2, max_size=8))
def test_no_two_recordings_share_an_output(paths: list[tuple[bool, list[str]]]) -> None:
    recordings = {Path(Path.cwd() if inside else "/", *parts) for inside, parts in paths}
    places = {result_path(recording, Path("out"), "srt") for recording in recordings}
    assert len(places) == len(recordings)
