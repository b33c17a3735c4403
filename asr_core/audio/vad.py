"""Voice activity detection: Silero's network, and a state machine that turns it into spans.

The network is Silero VAD v6 (https://github.com/snakers4/silero-vad, MIT) as shipped with
faster-whisper. It misses soft voices, so they are amplified for it. It is recurrent; its state and
that of the gain are kept, so blocks of any size give the same probabilities as the whole recording
at once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.running_gain import RunningGain
from asr_core.errors import EngineError
from asr_core.workarounds.silero_file import silero_vad_file

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "FRAME_SAMPLES",
    "SileroVad",
    "SpeechSegmenter",
    "SpeechSpan",
    "VadOptions",
    "count_bursts",
    "mask_runs",
]

Samples = NDArray[np.float32]

FRAME_SAMPLES = 512
"""Silero's frame at 16 kHz: 32 ms."""

_MAX_BATCH_FRAMES = 64
"""Frames per call of the network; those after a reset are computed again."""

_CONTEXT_SAMPLES = 64  # end of the previous frame, part of the network's input
_STATE_SHAPE = (1, 1, 128)

_BURST_PAUSE_FRAMES = 6  # 0.19 s: a stop within a word is shorter

_SILENCE_THRESHOLD = 0.25
"""Probability below which a frame counts as silent for a reset."""

_N_SILENT_FRAMES = 16
"""Silent frames, half a second, after which the state may be reset: with the state of one voice, a
softer one that follows is taken for silence (docs/tuning.md)."""


_N_WARM_UP_FRAMES = 8  # of silence before the first one (docs/tuning.md)


@functools.cache
def _silero_session() -> onnxruntime.InferenceSession:
    """Return Silero's network, loaded once per process; any thread may run it."""
    import onnxruntime

    from asr_core.audio.silero_graph import convolutions_as_matmul

    path = silero_vad_file()
    if path is None:
        raise EngineError(
            "The voice detector is not installed; run pip install -r requirements.txt."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    network = convolutions_as_matmul(path)
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


@functools.cache
def _state_after_silence() -> tuple[Samples, Samples]:
    """Return the network's state before a recording: with zeros it misses a word at once."""
    zeros = np.zeros(_STATE_SHAPE, np.float32)
    frames = np.zeros((_N_WARM_UP_FRAMES, _CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
    _, h, c = _silero_session().run(None, {"input": frames, "h": zeros, "c": zeros})
    return h, c


class SileroVad:
    """Streaming speech probabilities; for one thread at a time.

    Args:
        reset_on_silence: reset the state at each pause, for recordings of several voices; worse
            for one live speaker (docs/tuning.md).
    """

    def __init__(self, *, reset_on_silence: bool = False) -> None:
        self._resets_on_silence = reset_on_silence
        self._h, self._c = _state_after_silence()
        self._gain = RunningGain(FRAME_SAMPLES / SAMPLE_RATE_HZ)
        self._n_silent, self._has_detected_speech = 0, False
        self._context: Samples = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._remainder: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Samples:
        """Return the probability of speech for each frame that (n_samples,) float32 complete."""
        audio = np.concatenate([self._remainder, samples])
        n_frames = len(audio) // FRAME_SAMPLES
        self._remainder = audio[n_frames * FRAME_SAMPLES :]
        if not n_frames:
            return np.zeros(0, np.float32)
        frames = audio[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
        tails = np.vstack([self._context, frames[:-1, -_CONTEXT_SAMPLES:]])
        self._context = frames[-1, -_CONTEXT_SAMPLES:].copy()
        inputs = np.hstack([tails, frames])
        outputs: list[Samples] = []
        while len(inputs):
            probabilities = self._run(_first_batch(inputs))
            n = self._n_until_reset(probabilities)
            outputs.append(probabilities[:n])
            inputs = inputs[n:]
        return np.concatenate(outputs)

    def _run(self, inputs: Samples) -> Samples:
        factors = self._gain.push(inputs[:, _CONTEXT_SAMPLES:])
        if self._resets_on_silence and not self._has_detected_speech and not inputs.any():
            return np.zeros(len(inputs), np.float32)  # a file's gaps may last for hours
        feed = {"input": inputs * factors[:, None], "h": self._h, "c": self._c}
        probabilities, self._h, self._c = _silero_session().run(None, feed)
        return np.asarray(probabilities, np.float32).reshape(-1)

    def _n_until_reset(self, probabilities: Samples) -> int:
        """Return how many of these probabilities are valid: up to a reset, or all."""
        if not self._resets_on_silence:
            return len(probabilities)
        for n, probability in enumerate(probabilities.tolist(), 1):
            if probability >= _SILENCE_THRESHOLD:
                self._n_silent, self._has_detected_speech = 0, True
            else:
                self._n_silent += 1
            if self._has_detected_speech and self._n_silent >= _N_SILENT_FRAMES:
                self._reset()
                return n
        return len(probabilities)

    def _reset(self) -> None:
        self._h = self._c = np.zeros(_STATE_SHAPE, np.float32)  # a hum would pass for speech else
        self._gain.reset()
        self._n_silent, self._has_detected_speech = 0, False


def _first_batch(inputs: Samples) -> Samples:
    """Return the inputs to run at once, of (n_frames, n_samples): digital silence or none."""
    batch = inputs[:_MAX_BATCH_FRAMES]
    has_sound = np.any(batch != 0, axis=1)
    n = int(np.argmax(has_sound != has_sound[0]))
    return batch[:n] if n else batch


@dataclass(frozen=True)
class VadOptions:
    """Thresholds and durations that turn probabilities into spans.

    Attributes:
        threshold: probability from which a frame is speech. Silero's default of 0.5 breaks up
            hoarse voices; false alarms without words are dropped later.
        neg_threshold: probability below which speech ends (Silero: ``threshold`` less 0.15).
        min_speech_s: shorter bursts, such as clicks, are not speech.
        min_silence_s: a pause of this length ends the span.
        pad_before_s: audio kept before the first speech frame, for soft consonants.
        pad_after_s: audio kept after the last speech frame.
    """

    threshold: float = 0.4
    neg_threshold: float = 0.25
    min_speech_s: float = 0.13
    min_silence_s: float = 0.7
    pad_before_s: float = 0.25
    pad_after_s: float = 0.25


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """Speech from sample ``start`` up to ``end``; ``end`` is None while the span is open."""

    start: int
    end: int | None = None


def count_bursts(speech_mask: bytes) -> int:
    """Return the number of stretches of speech between pauses of ``_BURST_PAUSE_FRAMES`` or longer.

    Args:
        speech_mask: for each frame 1 if there is speech, else 0.
    """
    return sum(1 in part for part in speech_mask.split(bytes(_BURST_PAUSE_FRAMES)))


def mask_runs(speech_mask: bytes) -> Iterator[tuple[bool, int, int]]:
    """Yield the runs of speech and of silence: whether it is speech, first frame, frame after it."""
    begin = 0
    for is_speech, run in groupby(speech_mask):
        end = begin + len(list(run))
        yield bool(is_speech), begin, end
        begin = end


class SpeechSegmenter:
    """State machine from speech probabilities to spans of speech.

    Spans never overlap and come in order. ``min_silence_s`` may be changed between two calls,
    since the words tell better than the sound whether a pause is an endpoint; while it is
    constant, the same probabilities give the same spans in pushes of any size.

    Attributes:
        open: the span that has begun and not ended.
    """

    def __init__(self, options: VadOptions | None = None) -> None:
        self._options = options or VadOptions()
        self.min_silence_s = self._options.min_silence_s
        self._n_frames = 0
        self._is_speech = bytearray()  # one byte per frame: two megabytes a day
        self._speech_start: int | None = None  # first frame of a possible or open span
        self._last_speech = 0  # frame after the last one with speech
        self._previous_end = 0
        self.open: SpeechSpan | None = None

    @property
    def last_speech_end(self) -> int:
        """Position after the last sample of speech."""
        return self._last_speech * FRAME_SAMPLES

    @property
    def silence_until(self) -> int:
        """Position before which no further span can start."""
        if self.open is not None:
            return self.open.start
        frame = self._speech_start if self._speech_start is not None else self._n_frames
        return self._padded_start(frame)

    def speech_mask(self, start: int, end: int) -> bytes:
        """Return one byte per frame between two samples: 1 for speech, 0 for silence."""
        return bytes(self._is_speech[start // FRAME_SAMPLES : end // FRAME_SAMPLES])

    def speech_s(self, start: int, end: int) -> float:
        """Return the seconds of speech between two samples."""
        return sum(self.speech_mask(start, end)) * FRAME_SAMPLES / SAMPLE_RATE_HZ

    def push(self, probabilities: Samples) -> list[SpeechSpan]:
        """Return the spans that end with these probabilities, one per frame."""
        return [span for p in probabilities if (span := self._step(float(p))) is not None]

    def finish(self, n_samples: int) -> list[SpeechSpan]:
        """Return the span that is cut off at the end of the audio, ``n_samples``, if any."""
        if self.open is None and self._speech_start is not None:
            self.open = SpeechSpan(self._padded_start(self._speech_start))
        if self.open is None:
            return []
        span = SpeechSpan(self.open.start, n_samples)
        self._close(span)
        return [span]

    def _step(self, probability: float) -> SpeechSpan | None:
        frame = self._n_frames
        self._n_frames += 1
        options = self._options
        self._is_speech.append(probability >= options.threshold)
        if probability >= options.threshold:
            self._last_speech = frame + 1
            if self._speech_start is None:
                self._speech_start = frame
        if self.open is None:
            self._open_span_if_speech(frame, probability)
            return None
        if probability >= options.neg_threshold:
            # Between the two thresholds speech goes on, but does not begin.
            self._last_speech = frame + 1
        if (frame + 1 - self._last_speech) * FRAME_SAMPLES < self.min_silence_s * SAMPLE_RATE_HZ:
            return None
        pad_samples = min(options.pad_after_s, self.min_silence_s) * SAMPLE_RATE_HZ
        span = SpeechSpan(self.open.start, self._last_speech * FRAME_SAMPLES + int(pad_samples))
        self._close(span)
        return span

    def _open_span_if_speech(self, frame: int, probability: float) -> None:
        if self._speech_start is None:
            return
        if probability < self._options.neg_threshold:
            self._speech_start = None  # a click
        elif (frame + 1 - self._speech_start) * FRAME_SAMPLES >= (
            self._options.min_speech_s * SAMPLE_RATE_HZ
        ):
            self.open = SpeechSpan(self._padded_start(self._speech_start))

    def _close(self, span: SpeechSpan) -> None:
        assert span.end is not None
        self._previous_end = span.end
        self._speech_start = None
        self.open = None

    def _padded_start(self, frame: int) -> int:
        start = frame * FRAME_SAMPLES - int(self._options.pad_before_s * SAMPLE_RATE_HZ)
        return max(start, self._previous_end)
