"""Complete files are not reported as damaged; truncated ones are."""

from __future__ import annotations

import io
import re
import struct

import numpy as np
import pytest

from asr_core.audio.decode import AudioFile
from asr_core.errors import AudioError
from tests.support.recordings import bursts, onset_times, recorded

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
    """Return the times at which audio begins, and the notes."""
    audio = AudioFile(io.BytesIO(data), "talk")
    return onset_times(np.concatenate(list(audio))), audio.notes


def with_sizes(wav: bytes, riff: int | None, data: int) -> bytes:
    """Return the WAV file with these sizes in its header."""
    at = wav.index(b"data") + 4
    wav = wav[:at] + struct.pack("<I", data) + wav[at + 4 :]
    return wav if riff is None else wav[:4] + struct.pack("<I", riff) + wav[8:]


def first_the_index(mp4: bytes) -> bytes:
    """Move the index of an MP4 file before its audio, so that a part of it can be read."""
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
def test_a_duration_guessed_from_the_bit_rate_is_not_a_declared_one(
    container: str, codec: str
) -> None:
    """A start of few bits makes FFmpeg overestimate the duration."""
    noise = np.random.default_rng(0).normal(0, 0.2, 8 * 48_000).astype(np.float32)
    samples = np.concatenate([np.zeros(30 * 48_000, np.float32), noise])
    data = recorded(
        container, codec, [(0.0, samples)], codec_options=_VARIABLE if container == "mp3" else {},
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
def test_concatenated_files_and_tags_are_not_reported_as_damage(data: bytes, n: int) -> None:
    assert read(data) == (seconds(*range(n)), [])


@pytest.mark.parametrize(
    "parts",
    [(OPUS, OPUS), (OPUS, STEREO), (FLAC_44, OPUS, STEREO), (STEREO, FLAC_44), (WAV_44, WAV_44)],
)
def test_every_part_of_a_chained_file_is_read_whatever_its_format(parts: tuple[bytes, ...]) -> None:
    found, notes = read(b"".join(parts))
    assert notes == []
    assert found == seconds(*range(3 * len(parts)))


CONCATENATED = {
    "flac": "flac", "aiff": "pcm_s16be", "tta": "tta", "ipod": "aac", "mov": "pcm_s16le",
    "asf": "wmav2", "voc": "pcm_s16le", "au": "pcm_s16be", "caf": "pcm_s16le", "w64": "pcm_s16le",
    "wv": "wavpack", "avi": "pcm_s16le", "matroska": "pcm_s16le", "webm": "libopus", "flv": "aac",
    "rm": "ac3", "nut": "pcm_s16le",
}  # fmt: skip


@pytest.mark.parametrize("container", CONCATENATED)
def test_every_one_of_concatenated_files_is_read_at_its_own_rate(container: str) -> None:
    codec, rate = CONCATENATED[container], 48_000 if container == "webm" else 44_100
    mono = recorded(container, codec, [(0.0, bursts(3))])
    stereo = recorded(container, codec, [(0.0, bursts(2, rate))], rate=rate, layout="stereo")
    assert read(mono + stereo + mono) == (seconds(*range(8)), [])


def test_wav_files_that_were_written_to_pipes_are_all_read() -> None:
    pipes = [with_sizes(wav, 0xFFFFFFFF, 0xFFFFFFFF) for wav in (WAV, WAV_44)]
    assert read(b"".join(pipes)) == (seconds(*range(9)), [])


def test_tags_around_concatenated_flac_files_are_not_audio() -> None:
    tag = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    flac = recorded("flac", "flac", [(0.0, bursts(3))])
    flac_44 = recorded("flac", "flac", [(0.0, bursts(3, 44_100))], rate=44_100)
    assert read(tag + flac + tag + flac_44) == (seconds(*range(6)), [])


@pytest.mark.parametrize("container", [*sorted(set(CONCATENATED) - {"ipod", "mov"}), "wav"])
def test_a_truncated_file_before_another_one_is_reported(container: str) -> None:
    """The second is read as well."""
    codec = CONCATENATED.get(container, "pcm_s16le")
    first = recorded(container, codec, [(0.0, bursts(6))])
    rate = 48_000 if container == "webm" else 44_100
    second = recorded(container, codec, [(0.0, bursts(3, rate))], rate=rate, layout="stereo")
    found, [note] = read(first[: len(first) // 2] + second)
    assert "talk is damaged" in note
    assert found[-1] - found[-2] == pytest.approx(1, abs=0.02)


def test_a_truncated_last_file_of_several_is_reported() -> None:
    flac = recorded("flac", "flac", [(0.0, bursts(6))])
    _, [note] = read(flac + flac[: len(flac) // 2])
    assert re.search(r"breaks off: [89] s of the announced 12 s", note)


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


def test_chunks_after_the_samples_of_a_wav_file_are_not_audio() -> None:
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
    "wma": recorded("asf", "wmav2", [(0.0, bursts(6))]),
    "voc": recorded("voc", "pcm_s16le", [(0.0, bursts(6))]),
    "nut": recorded("nut", "flac", [(0.0, bursts(6))]),
    "wv": recorded("wv", "wavpack", [(0.0, bursts(6))]),
    "avi": recorded("avi", "pcm_s16le", [(0.0, bursts(6))]),
    "film.avi": recorded("avi", "pcm_s16le", [(0.0, bursts(6))], picture=(0, 6)),
    "mp4": first_the_index(recorded("mp4", "aac", [(0.0, bursts(6))])),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_truncated_file_is_reported(kind: str) -> None:
    whole = CUT[kind]
    assert read(whole)[1] == []
    _, [note] = read(whole[: len(whole) // 3 + 7])
    assert "talk breaks off" in note


def test_a_hole_is_reported_and_the_audio_after_it_keeps_its_time() -> None:
    data = bytearray(CUT["flac"])
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    found, [note] = read(bytes(data))
    assert "talk is damaged" in note
    assert found[-1] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("whole", [AC3, TS, recorded("adts", "aac", [(0.0, bursts(6))])])
def test_a_hole_in_a_stream_loses_only_itself(whole: bytes) -> None:
    noise = np.random.default_rng(0).bytes(1000)
    middle = len(whole) // 2
    found, _ = read(whole[:middle] + noise + whole[middle + len(noise) :])
    assert found[-1] == pytest.approx(5, abs=0.2)


@pytest.mark.parametrize("kind", ["wv", "aiff", "voc", "wma", "w64", "caf", "mp4", "avi", "mkv"])
@pytest.mark.parametrize(
    "behind", [bytes(5000), np.random.default_rng(0).bytes(3000), b"TAG" + bytes(125)]
)
def test_bytes_after_the_audio_are_not_damage(kind: str, behind: bytes) -> None:
    assert read(CUT[kind] + behind) == read(CUT[kind])


@pytest.mark.parametrize("whole", [AC3, TS])
@pytest.mark.parametrize("behind", [bytes(5000), b"junk" * 100])
def test_bytes_after_a_stream_are_not_damage(whole: bytes, behind: bytes) -> None:
    assert read(whole + behind) == (seconds(*range(6)), [])


def test_a_truncated_file_in_64_bits_is_reported_with_the_missing_duration() -> None:
    wave = recorded("wav", "pcm_s16le", [(0.0, bursts(6))], options={"rf64": "always"})
    _, [note] = read(wave[: len(wave) // 2])
    assert "breaks off: 3 s of the announced 6 s" in note


def test_a_truncated_file_of_an_unknown_codec_is_unreadable() -> None:
    at = WAV.index(b"fmt ") + 8
    with pytest.raises(AudioError, match="holds no sound that can be read"):
        read((WAV[:at] + b"\xee\xee" + WAV[at + 2 :])[: len(WAV) // 2])


def test_a_hole_in_a_realmedia_file_makes_no_hours_of_silence() -> None:
    whole = CUT["rm"]
    for seed in range(5):
        noise = np.random.default_rng(seed).bytes(1500)
        middle = len(whole) // 2
        found, _ = read(whole[:middle] + noise + whole[middle + len(noise) :])
        assert found[-1] < 7


def test_a_broadcast_joined_late_is_not_damaged() -> None:
    assert read(TS[len(TS) // 3 // 188 * 188 + 50 :])[1] == []


def test_an_ogg_stream_that_begins_in_the_middle_ends_nothing() -> None:
    alone = recorded("mpegts", "aac", [(0.0, bursts(30))])
    filmed = recorded("mpegts", "aac", [(30.0, bursts(4))], picture=(30, 34))
    found, notes = read(alone + filmed)
    assert notes == []
    assert len(found) >= 30
