from __future__ import annotations

from pathlib import Path

from asr_core.inputs import expand, targets


def test_files_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.mp3", "a.WAV", "deep/c.mkv", "deep/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    by_folder = list(expand([str(tmp_path)]))
    assert [str(item.place) for item in by_folder] == ["a.WAV", "b.mp3", "deep/c.mkv"]
    [by_pattern] = expand([str(tmp_path / "*" / "*.mkv")])
    assert by_pattern.name == "c.mkv"
    [named] = expand([str(tmp_path / "deep" / "readme.md")])
    assert named.source == tmp_path / "deep" / "readme.md"


def test_a_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    odd = tmp_path / "take [1].wav"
    odd.touch()
    [item] = expand([str(odd)])
    assert item.source == odd


def test_what_does_not_exist_is_left_for_its_error(tmp_path: Path) -> None:
    [item] = expand([str(tmp_path / "none.wav")])
    assert item.name == "none.wav"


def test_no_two_results_share_a_place(tmp_path: Path) -> None:
    items = list(expand(["x/a.wav", "y/a.mp3", "z/b.wav"]))
    places = targets(items, tmp_path, "srt")
    assert [place.name for place in places] == ["a.srt", "a.mp3.srt", "b.srt"]
