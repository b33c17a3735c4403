"""What is whole is not called damaged, what is cut short is told."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from asr_core.audio.decode import AudioFile
from asr_core.errors import AudioError
from tests.audio.recordings import bursts, heard_at, recorded

MP3 = recorded("mp3", "libmp3lame", [(0.0, bursts(6))])
NO_XING = recorded("mp3", "libmp3lame", [(0.0, bursts(6))], options={"write_xing": "0"})
OPUS = recorded("ogg", "libopus", [(0.0, bursts(3))])
STEREO = recorded("ogg", "libopus", [(0.0, bursts(3))], layout="stereo")
FLAC_44 = recorded("ogg", "flac", [(0.0, bursts(3, 44_100))], rate=44_100)
WAV = recorded("wav", "pcm_s16le", [(0.0, bursts(6, 16_000))], rate=16_000)
WAV_44 = recorded("wav", "pcm_f32le", [(0.0, bursts(3, 44_100))], rate=44_100)

AMR = recorded("amr", "libopencore_amrnb", [(0.0, bursts(4, 8000))], rate=8000)
AMR_SHORT = recorded("amr", "libopencore_amrnb", [(0.0, bursts(2, 8000))], rate=8000)
MP3_8 = recorded("mp3", "libmp3lame", [(0.0, bursts(3, 8000))], rate=8000)
AC3 = recorded("ac3", "ac3", [(0.0, bursts(6))])
TS = recorded("mpegts", "aac", [(0.0, bursts(6))])


def read(data: bytes) -> tuple[list[float], list[str]]:
    """When something is heard, and the notes."""
    audio = AudioFile(io.BytesIO(data), "talk")
    return heard_at(np.concatenate(list(audio))), audio.notes


def with_sizes(wav: bytes, riff: int | None, data: int) -> bytes:
    """A WAV file whose header says so."""
    at = wav.index(b"data") + 4
    wav = wav[:at] + struct.pack("<I", data) + wav[at + 4 :]
    return wav if riff is None else wav[:4] + struct.pack("<I", riff) + wav[8:]


def first_the_index(mp4: bytes) -> bytes:
    """An MP4 file of which a part can be read: its index stands before its sound."""
    at = mp4.index(b"moov") - 4
    start = mp4.index(b"mdat") - 4
    index = bytearray(mp4[at:])
    place = index.index(b"stco") + 8
    (n,) = struct.unpack_from(">I", index, place)
    for i in range(place + 4, place + 4 + 4 * n, 4):
        struct.pack_into(">I", index, i, struct.unpack_from(">I", index, i)[0] + len(index))
    return mp4[:start] + bytes(index) + mp4[start:at]


def seconds(*numbers: int) -> object:
    return pytest.approx(list(numbers), abs=0.1)


_VARIABLE = {"flags": "+qscale", "global_quality": "472"}


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("adts", "aac")])
def test_a_guess_from_the_bit_rate_is_no_announcement(container: str, codec: str) -> None:
    """A beginning in few bits: FFmpeg takes the whole for longer than it is."""
    noise = np.random.default_rng(0).normal(0, 0.2, 8 * 48_000).astype(np.float32)
    sound = np.concatenate([np.zeros(30 * 48_000, np.float32), noise])
    data = recorded(
        container, codec, [(0.0, sound)], codec_options=_VARIABLE if container == "mp3" else {},
        options={"write_xing": "0"} if container == "mp3" else {},
    )  # fmt: skip
    audio = AudioFile(io.BytesIO(data), "talk")
    assert audio.duration_s is not None
    assert audio.duration_s > 45
    assert sum(map(len, audio)) / 16_000 == pytest.approx(38, abs=0.2)
    assert audio.notes == []


@pytest.mark.parametrize(
    ("data", "n"),
    [
        (MP3 + MP3, 12), (NO_XING + NO_XING, 12), (MP3 + b"TAG" + bytes(125) + MP3, 12),
        (MP3 + b"TAG" + bytes(125), 6), (MP3 + b"APETAGEX" + bytes(range(256)) * 8, 6),
        (WAV + WAV, 12), (MP3 + MP3_8, 9), (AMR_SHORT + AMR + AMR, 10),
    ],
)  # fmt: skip
def test_files_put_together_and_tags_are_no_damage(data: bytes, n: int) -> None:
    assert read(data) == (seconds(*range(n)), [])


@pytest.mark.parametrize(
    "parts",
    [(OPUS, OPUS), (OPUS, STEREO), (FLAC_44, OPUS, STEREO), (STEREO, FLAC_44), (WAV_44, WAV_44)],
)
def test_every_part_of_a_chain_is_read_whatever_its_kind(parts: tuple[bytes, ...]) -> None:
    found, notes = read(b"".join(parts))
    assert notes == []
    assert found == seconds(*range(3 * len(parts)))


@pytest.mark.parametrize("riff", [None, 0, 0xFFFFFFFF])
@pytest.mark.parametrize(
    "data", [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x80000000, 0x7FFFFFFF, 0x7FFFF000, 2, 1000, 99_999]
)
def test_a_wav_file_whose_sizes_are_wrong_is_read_whole(riff: int | None, data: int) -> None:
    found, notes = read(with_sizes(WAV, riff, data))
    assert notes == []
    assert found == seconds(*range(6))


def test_a_long_wav_file_that_was_written_to_a_pipe_is_read_whole() -> None:
    wave = recorded("wav", "pcm_s16le", [(0.0, bursts(6))], options={"rf64": "always"})
    at = wave.index(b"ds64") + 8
    assert read(wave[:at] + bytes(24) + wave[at + 24 :]) == (seconds(*range(6)), [])


def test_what_stands_behind_the_sound_of_a_wav_file_is_no_sound() -> None:
    noise = np.random.default_rng(0).bytes(40_000)
    for behind in (b"LIST" + struct.pack("<I", len(noise)) + noise, b"ID3\x04" + noise):
        assert read(WAV + behind) == (seconds(*range(6)), [])


CUT = {
    "wav": WAV,
    "flac": recorded("flac", "flac", [(0.0, bursts(6))]),
    "mp3": MP3,
    "mkv": recorded("matroska", "libopus", [(0.0, bursts(6))]),
    "film.mkv": recorded("matroska", "libopus", [(0.0, bursts(6))], picture=(0, 12)),
    "ogg": OPUS + OPUS,
    "aiff": recorded("aiff", "pcm_s16be", [(0.0, bursts(6))]),
    "w64": recorded("w64", "pcm_s16le", [(0.0, bursts(6))]),
    "caf": recorded("caf", "pcm_s16le", [(0.0, bursts(6))]),
    "rm": recorded("rm", "ac3", [(0.0, bursts(6))]),
    "mp4": first_the_index(recorded("mp4", "aac", [(0.0, bursts(6))])),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_file_that_was_cut_short_says_so(kind: str) -> None:
    whole = CUT[kind]
    assert read(whole)[1] == []
    _, [note] = read(whole[: len(whole) // 3 + 7])
    assert "talk breaks off" in note


def test_a_hole_is_told_and_the_sound_behind_it_stays_in_its_place() -> None:
    data = bytearray(CUT["flac"])
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    found, [note] = read(bytes(data))
    assert "talk is damaged" in note
    assert found[-1] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("whole", [AC3, TS, recorded("adts", "aac", [(0.0, bursts(6))])])
def test_a_hole_in_a_stream_takes_nothing_but_itself(whole: bytes) -> None:
    noise = np.random.default_rng(0).bytes(1000)
    middle = len(whole) // 2
    found, _ = read(whole[:middle] + noise + whole[middle + len(noise) :])
    assert found[-1] == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize("whole", [AC3, TS])
@pytest.mark.parametrize("behind", [bytes(5000), b"junk" * 100])
def test_what_stands_behind_a_stream_is_no_damage(whole: bytes, behind: bytes) -> None:
    assert read(whole + behind) == (seconds(*range(6)), [])


def test_a_file_in_64_bits_that_was_cut_short_tells_by_how_much() -> None:
    wave = recorded("wav", "pcm_s16le", [(0.0, bursts(6))], options={"rf64": "always"})
    _, [note] = read(wave[: len(wave) // 2])
    assert "breaks off: 3 s of the announced 6 s" in note


def test_a_cut_file_of_a_kind_that_nobody_knows_is_unreadable() -> None:
    at = WAV.index(b"fmt ") + 8
    with pytest.raises(AudioError, match="holds no sound that can be read"):
        read((WAV[:at] + b"\xee\xee" + WAV[at + 2 :])[: len(WAV) // 2])


def test_a_hole_in_a_file_of_realmedia_makes_no_hours_of_silence() -> None:
    whole = CUT["rm"]
    for seed in range(5):
        noise = np.random.default_rng(seed).bytes(1500)
        middle = len(whole) // 2
        found, _ = read(whole[:middle] + noise + whole[middle + len(noise) :])
        assert found[-1] < 7


def test_a_broadcast_that_was_joined_late_is_no_damage() -> None:
    data = recorded("mpegts", "aac", [(0.0, bursts(6))])
    assert read(data[len(data) // 3 // 188 * 188 + 50 :])[1] == []


def test_a_stream_that_begins_in_the_middle_ends_nothing() -> None:
    alone = recorded("mpegts", "aac", [(0.0, bursts(30))])
    filmed = recorded("mpegts", "aac", [(30.0, bursts(4))], picture=(30, 34))
    found, notes = read(alone + filmed)
    assert notes == []
    assert len(found) >= 30
