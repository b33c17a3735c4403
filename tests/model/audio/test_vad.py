from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_the_rebuilt_network_equals_the_one_in_its_file(two_cities: np.ndarray) -> None:
    frames = two_cities[: 300 * FRAME_SAMPLES].reshape(300, FRAME_SAMPLES)
    seen = np.hstack([np.vstack([np.zeros((1, 64)), frames[:-1, -64:]]), frames])
    silence = np.zeros((8, seen.shape[1]))
    state = np.zeros((1, 1, 128), np.float32)
    inputs = {"input": np.vstack([silence, seen]).astype(np.float32), "h": state, "c": state}
    [package] = find_spec("faster_whisper").submodule_search_locations  # type: ignore
    as_it_is = onnxruntime.InferenceSession(f"{package}/assets/silero_vad_v6.onnx")
    theirs, *_ = as_it_is.run(None, inputs)
    ours = SileroVad().push(frames.ravel())
    assert theirs.min() < 0.1 and theirs.max() > 0.9
    assert np.allclose(ours, theirs.ravel()[len(silence) :], atol=1e-5)


def test_a_soft_voice_is_detected_after_a_loud_one(
    two_cities: np.ndarray, beckett: np.ndarray
) -> None:
    """The network's state after the loud one would hide it: 2 % of these frames instead of 22."""
    noise = np.random.default_rng(0).normal(0, 0.0005, 6 * 16_000)
    soft = 0.02 * beckett[: 6 * 16_000] + noise
    vad = SileroVad(reset_on_silence=True)
    vad.push(np.concatenate([two_cities[: 5 * 16_000], np.zeros(2 * 16_000, np.float32)]))
    assert (vad.push(soft.astype(np.float32)) > 0.5).mean() > 0.15


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
