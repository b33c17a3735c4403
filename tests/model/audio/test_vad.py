from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_core.audio.silero_graph import convolutions_as_matmul
from asr_core.audio.vad import FRAME_SAMPLES, SileroVad, SpeechSegmenter, VadOptions


def probabilities(samples: np.ndarray, sizes: list[int], *, reset_on_silence: bool) -> np.ndarray:
    vad, at, out = SileroVad(reset_on_silence=reset_on_silence), 0, []
    while at < len(samples):
        size = sizes[len(out) % len(sizes)]
        out.append(vad.push(samples[at : at + size]))
        at += size
    return np.concatenate(out)


@settings(max_examples=5)
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=5), st.booleans())
def test_streaming_equals_whole(
    beckett: np.ndarray, sizes: list[int], reset_on_silence: bool
) -> None:
    whole = SileroVad(reset_on_silence=reset_on_silence).push(beckett)
    cut = probabilities(beckett, [max(s, 100) for s in sizes], reset_on_silence=reset_on_silence)
    assert np.allclose(cut, whole, atol=1e-5)


@settings(max_examples=5)
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=5), st.booleans())
def test_digital_silence_and_soft_voices_are_the_same_in_any_blocks(
    beckett: np.ndarray, sizes: list[int], reset_on_silence: bool
) -> None:
    """Blocks that mixed silence and sound gave probabilities that were off by up to 0.5."""
    silence, voice = np.zeros(50_000, np.float32), beckett[: 4 * 16_000]
    parts = [silence, 0.01 * voice, silence, voice, silence, 0.02 * voice]
    audio = np.concatenate(parts).astype(np.float32)
    whole = SileroVad(reset_on_silence=reset_on_silence).push(audio)
    cut = probabilities(audio, [max(s, 100) for s in sizes], reset_on_silence=reset_on_silence)
    assert np.allclose(cut, whole, atol=1e-5)


def test_the_rebuilt_network_equals_the_one_in_its_file(two_cities: np.ndarray) -> None:
    frames = two_cities[: 300 * FRAME_SAMPLES].reshape(300, FRAME_SAMPLES)
    seen = np.hstack([np.vstack([np.zeros((1, 64)), frames[:-1, -64:]]), frames])
    silence = np.zeros((8, seen.shape[1]))
    state = np.zeros((1, 1, 128), np.float32)
    inputs = {"input": np.vstack([silence, seen]).astype(np.float32), "h": state, "c": state}
    [package] = find_spec("faster_whisper").submodule_search_locations  # type: ignore
    path = Path(package) / "assets" / "silero_vad_v6.onnx"
    theirs, *_ = onnxruntime.InferenceSession(path).run(None, inputs)
    ours, *_ = onnxruntime.InferenceSession(convolutions_as_matmul(path)).run(None, inputs)
    assert theirs.min() < 0.1 and theirs.max() > 0.9
    assert np.allclose(ours.ravel(), theirs.ravel(), atol=1e-5)


def spoken_frames(vad: SileroVad, samples: np.ndarray) -> np.ndarray:
    return vad.push(samples.astype(np.float32)) >= VadOptions().threshold


@pytest.mark.parametrize("reset_on_silence", [True, False])
def test_a_soft_voice_is_detected_after_a_loud_one(
    two_cities: np.ndarray, beckett: np.ndarray, reset_on_silence: bool
) -> None:
    """The network's state and gain after the loud one would hide it."""
    noise = np.random.default_rng(0).normal(0, 0.0001, 8 * 16_000)
    alone = spoken_frames(SileroVad(), beckett[: 8 * 16_000])
    vad = SileroVad(reset_on_silence=reset_on_silence)
    vad.push(np.concatenate([two_cities[: 5 * 16_000], np.zeros(2 * 16_000, np.float32)]))
    after = spoken_frames(vad, 0.02 * beckett[: 8 * 16_000] + noise)
    assert alone.sum() > 100
    assert after[alone].mean() > 0.9


@pytest.mark.parametrize("reset_on_silence", [True, False])
@pytest.mark.parametrize("level_dbfs", [-35, -45, -55, -65])
def test_a_soft_voice_is_detected_as_a_loud_one_is(
    beckett: np.ndarray, two_cities: np.ndarray, level_dbfs: float, reset_on_silence: bool
) -> None:
    """From its first word, and in samples of 16 bits."""
    for voice in (beckett, two_cities[2 * 16_000 : 12 * 16_000]):
        loud = voice * 10 ** (-20 / 20) / np.sqrt(np.mean(voice**2))
        expected = spoken_frames(SileroVad(reset_on_silence=reset_on_silence), loud)
        soft = np.round(loud * 10 ** ((level_dbfs + 20) / 20) * 32768) / 32768
        found = spoken_frames(SileroVad(reset_on_silence=reset_on_silence), soft)
        assert found[expected].mean() > 0.95
        assert np.flatnonzero(found)[0] <= np.flatnonzero(expected)[0] + 1


def noises(n_samples: int) -> dict[str, np.ndarray]:
    """Return noises with a root mean square of 1."""
    white = np.random.default_rng(0).normal(0, 1, n_samples)
    spectrum, hz = np.fft.rfft(white), np.fft.rfftfreq(n_samples, 1 / 16_000)
    t = np.arange(n_samples) / 16_000
    hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5, 7))
    brown = np.fft.irfft(spectrum / np.maximum(hz, 60), n_samples)
    fan = brown / brown.std() * (1 + 0.3 * np.sin(2 * np.pi * 7 * t)) + 0.2 * hum
    last_bit = np.where(np.abs(white) > 1, np.sign(white), 0)
    named = {"white": white, "brown": brown, "hum": hum, "fan": fan, "last bit": last_bit}
    return {name: noise / np.std(noise) for name, noise in named.items()}


@pytest.mark.parametrize("reset_on_silence", [True, False])
@pytest.mark.parametrize("level_dbfs", [-20, -35, -50, -65, -80, -95])
def test_noise_of_any_level_is_not_speech(level_dbfs: float, reset_on_silence: bool) -> None:
    for noise in noises(10 * 16_000).values():
        vad, segmenter = SileroVad(reset_on_silence=reset_on_silence), SpeechSegmenter()
        # Its sudden begin may pass for a frame of speech; a click is as short.
        probabilities = vad.push((noise * 10 ** (level_dbfs / 20)).astype(np.float32))
        assert segmenter.push(probabilities) + segmenter.finish(len(noise)) == []


@pytest.mark.parametrize("start_s", [4.47, 12.61])
def test_a_word_that_a_recording_begins_with_is_found(
    two_cities: np.ndarray, start_s: float
) -> None:
    """A network that has not heard a moment of silence misses it."""
    start = int(start_s * 16_000)
    word = two_cities[start : start + 5_600]
    segmenter = SpeechSegmenter()
    segmenter.push(SileroVad(reset_on_silence=True).push(word))
    assert segmenter.finish(len(word))


def test_speech_is_found_and_silence_is_not(two_cities: np.ndarray) -> None:
    segmenter = SpeechSegmenter()
    spans = segmenter.push(SileroVad().push(two_cities)) + segmenter.finish(len(two_cities))
    spoken = sum(span.end - span.start for span in spans) / len(two_cities)
    assert 0.7 < spoken < 1.0
    for noise in (np.zeros(160_000), np.random.default_rng(0).normal(0, 0.05, 160_000)):
        segmenter = SpeechSegmenter()
        assert not segmenter.push(SileroVad().push(noise.astype(np.float32)))
        assert segmenter.open is None


@given(st.lists(st.floats(0, 1), max_size=300), st.integers(1, 20))
def test_spans_follow_one_another_however_the_audio_is_cut(values: list[float], cut: int) -> None:
    array = np.array(values, np.float32)
    n_samples = len(values) * FRAME_SAMPLES
    whole = SpeechSegmenter()
    spans = whole.push(array) + whole.finish(n_samples)
    pieces = SpeechSegmenter()
    cut_spans = [
        span for at in range(0, len(array), cut) for span in pieces.push(array[at : at + cut])
    ]
    assert cut_spans + pieces.finish(n_samples) == spans
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(span.end > span.start for span in spans)


@given(st.lists(st.floats(0, 1), max_size=200))
def test_no_span_starts_before_the_promised_silence(values: list[float]) -> None:
    segmenter = SpeechSegmenter()
    promised = 0
    for value in values:
        ended = segmenter.push(np.array([value], np.float32))
        for span in [*ended, *([segmenter.open] if segmenter.open else [])]:
            assert span.start >= min(promised, span.start) and span.start >= 0
        if segmenter.open:
            assert segmenter.open.start >= promised
        promised = segmenter.silence_until


def test_a_click_is_not_speech_and_speech_keeps_its_edges() -> None:
    options = VadOptions()
    click = np.array([0.0] * 30 + [0.9] + [0.0] * 30, np.float32)
    segmenter = SpeechSegmenter(options)
    assert not segmenter.push(click)
    assert segmenter.open is None
    speech = np.array([0.0] * 30 + [0.9] * 30 + [0.0] * 40, np.float32)
    [span] = SpeechSegmenter(options).push(speech)
    assert span.start == 30 * FRAME_SAMPLES - options.pad_before_s * 16_000
    assert span.end == pytest.approx(60 * FRAME_SAMPLES + options.pad_after_s * 16_000)


def test_speech_is_counted_between_any_two_samples() -> None:
    segmenter = SpeechSegmenter()
    segmenter.push(np.array([0.9, 0.1, 0.9, 0.9], np.float32))
    frame_s = FRAME_SAMPLES / 16_000
    assert segmenter.speech_s(0, 4 * FRAME_SAMPLES) == pytest.approx(3 * frame_s)
    assert segmenter.speech_s(FRAME_SAMPLES, 3 * FRAME_SAMPLES) == pytest.approx(frame_s)
