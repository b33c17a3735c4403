from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from asr_core.audio.encode import to_flac
from asr_core.cli.inputs import Found, find

AUDIO = to_flac((3000 * np.sin(np.arange(16_000) / 7)).astype(np.int16))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "f"
    folder.mkdir()
    return folder


def names(found: Found) -> list[str]:
    return [item.name for item in found.inputs]


def messages(found: Found) -> str:
    return " ".join(sentence for left_out in found.left_out for sentence in left_out.sentences())


def test_files_folders_and_patterns(folder: Path) -> None:
    for name in ("b.mp3", "a.WAV", "deep/c.mkv", "deep/readme.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert names(find(["f"])) == ["f/a.WAV", "f/b.mp3", "f/deep/c.mkv"]
    assert names(find(["f/*/*.mkv"])) == ["f/deep/c.mkv"]
    assert names(find(["f/de*"])) == ["f/deep/c.mkv"]
    assert names(find(["f/deep/readme.md"])) == ["f/deep/readme.md"]


@pytest.mark.parametrize(
    ("extension", "kind", "codec"),
    [
        ("wv", "wv", "wavpack"),
        ("m2ts", "mpegts", "mp2"),
        ("asf", "asf", "mp2"),
        ("3g2", "3g2", "aac"),
        ("aifc", "aiff", "pcm_s16be"),
        ("spx", "ogg", "libopus"),
        ("mpga", "mp3", "mp3"),
        ("dat", "wav", "pcm_s16le"),
    ],
)
def test_every_file_with_audio_is_found_in_a_folder(
    folder: Path, extension: str, kind: str, codec: str
) -> None:
    with av.open(str(folder / f"talk.{extension}"), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=16_000, layout="mono")
        samples = (3000 * np.sin(np.arange(16_000) / 7)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (folder / "talk").write_bytes(AUDIO)
    found = find(["f"])
    assert names(found) == ["f/talk", f"f/talk.{extension}"]
    assert not found.left_out and not found.problems


def test_files_left_out_of_a_folder_are_counted_and_named(folder: Path) -> None:
    (folder / "a.wav").touch()
    for i in range(7):
        (folder / f"{i}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    (folder / ".DS_Store").touch()
    assert messages(find(["f"])) == (
        "Left out 8 files of f without sound: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 3 more."
    )
    assert names(find(["f"])) == ["f/a.wav"]


def test_results_beside_their_recordings_are_not_reported(folder: Path) -> None:
    for name in ("a.wav", "a.wav.txt", "a.wav.srt", "notes.txt"):
        (folder / name).touch()
    [left_out] = find(["f"]).left_out_but(["txt", "srt"])
    assert [str(path) for path in left_out.files] == ["notes.txt"]


def test_unreadable_recordings_are_kept_to_report_their_error(folder: Path) -> None:
    (folder / "empty.mp3").touch()
    assert names(find(["f"])) == ["f/empty.mp3"]


def test_a_macos_resource_fork_is_not_a_recording(folder: Path) -> None:
    (folder / "talk.mp3").touch()
    (folder / "._talk.mp3").write_bytes(b"\0\5\x16\7" + bytes(100))
    assert names(find(["f"])) == ["f/talk.mp3"]


def test_links_sockets_and_pipes_neither_hang_nor_loop(folder: Path) -> None:
    (folder / "a.wav").touch()
    os.mkfifo(folder / "pipe")
    (folder / "self").symlink_to(folder)
    (folder / "gone").symlink_to("nowhere")
    (folder / ".git").mkdir()
    (folder / ".git" / "b.wav").touch()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("f/door")
        found = find(["f"])
    assert names(found) == ["f/a.wav"]
    assert messages(found) == (
        "Left out 3 files of f without sound: door, gone, pipe. "
        "Left out 2 folders of f, hidden or linked: self, .git."
    )


def test_piped_input_is_named_by_its_content(folder: Path) -> None:
    places = []
    for content in (b"one", b"two", b"one"):
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        [item] = find([f"/dev/fd/{reader}"]).inputs
        os.close(reader)
        assert isinstance(item.source, io.BytesIO) and item.source.getvalue() == content
        places.append(item.path)
    assert places[0] == places[2] != places[1]


def test_a_linked_file_keeps_the_name_of_its_link(folder: Path) -> None:
    (folder.parent / "store").write_bytes(AUDIO)
    (folder / "a.wav").symlink_to(folder.parent / "store")
    assert names(find(["f"])) == ["f/a.wav"]


def test_a_name_with_brackets_is_not_a_pattern(tmp_path: Path) -> None:
    odd = tmp_path / "talk [1].wav"
    odd.touch()
    [item] = find([str(odd)]).inputs
    assert item.source == odd


def test_a_missing_file_is_kept_to_report_its_error(tmp_path: Path) -> None:
    for name in ("none.wav", "n" * 300):
        [item] = find([str(tmp_path / name)]).inputs
        assert name[:100] in item.name


def test_a_pattern_and_a_folder_without_recordings_are_reported(folder: Path) -> None:
    (folder / "notes.txt").write_text("words")
    found = find(["nothere*.mp3", "f"])
    assert not found.inputs
    assert found.problems == [
        "No file matches 'nothere*.mp3'; check the pattern.",
        "Nothing to transcribe in f: it has no audio or video file.",
    ]


def test_an_unreadable_folder_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.wav").touch()
    (folder / "shut").mkdir()
    listed = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find(["f"])
    assert names(found) == ["f/a.wav"]
    assert found.problems == ["The folder f/shut cannot be read (Permission denied)."]


def test_a_file_named_twice_is_transcribed_once(folder: Path) -> None:
    (folder / "a.wav").touch()
    (folder.parent / "link").symlink_to("f")
    spellings = ["f/a.wav", "./f/a.wav", str(folder / "a.wav"), "f", "f/*.wav", "link/a.wav"]
    assert names(find(spellings)) == ["f/a.wav"]


def test_names_that_are_not_valid_text_are_found(folder: Path) -> None:
    for name in (b"gr\xfc\xdfe.wav", "gru\u0308ße.wav".encode(), "grüße.wav".encode()):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    found = find(["f"])
    assert len({item.path for item in found.inputs}) == 3
    assert all(item.name.encode() for item in found.inputs)
