"""Session of one speaker: audio in, committed and tentative words out.

Threads: ``append`` and ``finish`` are for one thread at a time (the one that receives
audio); ``snapshot`` and ``wait`` for any thread; ``due_at``, ``detect_speech``,
``next_window``, ``accept`` and ``reject`` for the scheduler. Nothing here reads a clock:
time is counted in samples, and the scheduler passes in its own clock to pace updates.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.buffer import AudioBuffer
from asr_core.audio.vad import (
    SileroVad,
    SpeechSegmenter,
    SpeechSpan,
    VadOptions,
    count_bursts,
)
from asr_core.decoding.fallback import FINAL_BEAM_SIZE, Attempts, needs_fallback
from asr_core.decoding.hallucination import is_silence, may_be_silence
from asr_core.engines.base import Hypothesis, Task, Window, without_first_words
from asr_core.ops.budget import Reservation
from asr_core.streaming.config import STREAMING_DEFAULTS, StreamingConfig, value_at
from asr_core.streaming.kept_audio import KeptAudio
from asr_core.streaming.level_meter import LevelMeter
from asr_core.streaming.policy import local_agreement, trim_point
from asr_core.streaming.utterance import Context, DecodedWord, Utterance
from asr_core.text.repetition import without_unspoken_tail
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Segment, Transcript, Word

__all__ = ["LiveOptions", "LiveSession", "Phase", "Snapshot"]

Samples = NDArray[np.float32]


class Phase(Enum):
    """Phases of a session, in their order."""

    LISTENING = "listening"
    FINISHING = "finishing"
    DONE = "done"


@dataclass(frozen=True)
class LiveOptions:
    """Choices of the user; thresholds are in ``StreamingConfig``.

    Attributes:
        language: code; None detects it and keeps it once it is certain.
        task: translate writes English, whatever is spoken.
        update_period_s: desired seconds between two updates; under load they grow.
        keep_audio: keep the audio in memory, to save it afterwards.
        refine: keep the audio in memory until the recording was transcribed again as a whole.
        terms: names and terms that become likelier.
    """

    language: str | None = None
    task: Task = "transcribe"
    update_period_s: float = 0.4
    keep_audio: bool = False
    refine: bool = False
    terms: tuple[str, ...] = ()

    @property
    def keeps_audio(self) -> bool:
        """True if the audio stays in memory while the session runs."""
        return self.keep_audio or self.refine


@dataclass(frozen=True)
class Snapshot:
    """Everything there is to show of a session; immutable.

    Attributes:
        segments: finished segments.
        committed: final words of the unfinished segment.
        tentative: the words after them, which may still change.
        audio_s: seconds received.
        transcribed_s: seconds dealt with, silence included.
        level_dbfs: level now, falling slowly after a loud moment.
        silent_s: seconds since the last sound above ``sound_threshold_dbfs``.
        language: code as given or detected, None before that.
        language_probability: probability of the detected language.
        phase: of the session.
        error: a sentence if the last update failed, else None.
    """

    segments: tuple[Segment, ...] = ()
    committed: tuple[Word, ...] = ()
    tentative: tuple[Word, ...] = ()
    audio_s: float = 0.0
    transcribed_s: float = 0.0
    level_dbfs: float = STREAMING_DEFAULTS.level_floor_dbfs
    silent_s: float = 0.0
    language: str | None = None
    language_probability: float = 0.0
    phase: Phase = Phase.LISTENING
    error: str | None = None

    @property
    def lag_s(self) -> float:
        """Seconds by which the words are behind the audio."""
        return max(0.0, self.audio_s - self.transcribed_s)

    @property
    def committed_words(self) -> tuple[Word, ...]:
        """Final words, of finished segments and of the unfinished one."""
        done = tuple(word for segment in self.segments for word in segment.words)
        return done + self.committed

    def transcript(self) -> Transcript:
        """Return all final words as a transcript."""
        unfinished = (Segment.from_words(self.committed),) if self.committed else ()
        return Transcript(
            segments=self.segments + unfinished,
            duration=self.audio_s,
            language=self.language,
            language_probability=self.language_probability,
        )


@dataclass(frozen=True)
class _PendingWindow:
    """Window that the model works on; ``start`` and ``end`` are samples."""

    start: int
    end: int
    closes: bool  # the utterance ends with it
    is_full: bool  # more speech waits behind it than a window holds

    @property
    def duration_s(self) -> float:
        return (self.end - self.start) / SAMPLE_RATE_HZ

    @property
    def start_s(self) -> float:
        return self.start / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        return self.end / SAMPLE_RATE_HZ

    @property
    def is_final(self) -> bool:
        """True if no later pass covers this audio."""
        return self.closes or self.is_full


class LiveSession:
    """Streaming recognition of one speaker; the module says which thread may call what.

    Args:
        options: the user's choices.
        reservation: memory for audio that is kept; it grows with the audio. What it refuses
            is not kept, and ``keep_audio_error`` says so. None keeps everything.
        config: thresholds.
    """

    def __init__(
        self,
        options: LiveOptions | None = None,
        reservation: Reservation | None = None,
        config: StreamingConfig = STREAMING_DEFAULTS,
    ) -> None:
        self.options = options or LiveOptions()
        self._config = config
        self._kept = KeptAudio(is_wanted=self.options.keeps_audio, reservation=reservation)
        self._meter = LevelMeter(config)
        self._buffer = AudioBuffer()
        self._vad = SileroVad()
        self._segmenter = SpeechSegmenter(VadOptions(min_silence_s=config.hesitation_pause_s))
        self._vad_end = 0  # samples that the voice detector has seen
        self._spans: deque[SpeechSpan] = deque()  # ended, not yet transcribed
        self._utterance: Utterance | None = None
        self._context: Context | None = None  # of the utterance before
        self._segments: tuple[Segment, ...] = ()  # finished
        self._pending: _PendingWindow | None = None
        self._attempts = Attempts()  # at the final window that is being decoded
        self._last_window_end = 0
        self._updated_at = -np.inf  # the scheduler's clock
        self._finish_requested = threading.Event()
        self._done = threading.Event()
        self._snapshot = Snapshot(
            language=self.options.language, level_dbfs=config.level_floor_dbfs
        )

    # --- for the thread that receives audio ------------------------------------------

    def append(self, samples: Samples) -> None:
        """Add (n_samples,) float32; return at once. Ignored after ``finish``."""
        if self._finish_requested.is_set() or not len(samples):
            return
        energy = float(np.vdot(samples, samples))
        if not math.isfinite(energy):
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
            energy = float(np.vdot(samples, samples))
        self._buffer.append(samples)
        self._meter.push(energy, len(samples), self._buffer.end)
        self._kept.append(samples)

    def finish(self) -> None:
        """End the audio: what is left is transcribed, then the session is done."""
        self._finish_requested.set()

    # --- for any thread --------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """Latest state, with the duration and the level of this moment."""
        audio_s = self._buffer.end / SAMPLE_RATE_HZ
        latest = self._snapshot
        is_ending = latest.phase is Phase.LISTENING and self._finish_requested.is_set()
        return replace(
            latest,
            phase=Phase.FINISHING if is_ending else latest.phase,  # even while the model hangs
            audio_s=audio_s,
            level_dbfs=self._meter.level_dbfs,
            silent_s=audio_s - self._meter.last_sound_s,
            transcribed_s=min(latest.transcribed_s, audio_s),
        )

    @property
    def is_done(self) -> bool:
        """True once everything is transcribed after ``finish``."""
        return self._done.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the session is done; return False on time-out."""
        return self._done.wait(timeout_s)

    def kept_audio(self) -> NDArray[np.int16]:
        """Return the audio so far, (n_samples,) at 16 kHz; empty unless it is kept."""
        return self._kept.samples()

    @property
    def keep_audio_error(self) -> str | None:
        """Sentence for the user once no more audio is kept for lack of room, else None."""
        return self._kept.error

    def discard_audio(self) -> None:
        """Free the memory of kept audio and its reservation."""
        self._kept.discard()

    # --- for the scheduler -----------------------------------------------------------

    def due_at(self) -> float:
        """Return when the next update is due, on the scheduler's clock."""
        if self._finish_requested.is_set() or self._spans:
            return self._updated_at  # at once, but after those who wait for longer
        return self._updated_at + self.options.update_period_s

    def detect_speech(self, now: float) -> None:
        """Run the voice detector over new audio; ``now`` is the scheduler's clock."""
        self._updated_at = now
        is_finishing = self._finish_requested.is_set()  # read before the end: nothing is lost
        end = self._buffer.end
        if end > self._vad_end:
            probabilities = self._vad.push(self._buffer.read(self._vad_end, end))
            self._vad_end = end
            self._spans.extend(self._segmenter.push(probabilities))
        if is_finishing and self._snapshot.phase is Phase.LISTENING:
            self._spans.extend(self._segmenter.finish(self._vad_end))
            self._publish(phase=Phase.FINISHING)
        self._drop_old_audio()
        if is_finishing and not self._spans:
            self._publish(transcribed=self._vad_end, phase=Phase.DONE)
            self._done.set()
        elif not self._spans and self._segmenter.open is None:
            self._publish(transcribed=self._vad_end)

    def next_window(self) -> Window | None:
        """Return the window to decode now, or None if there is no new speech."""
        span = self._spans[0] if self._spans else self._segmenter.open
        if span is None:
            return None
        if self._utterance is None:
            self._utterance = self._begin_utterance(max(span.start, self._buffer.start))
        utterance = self._utterance
        pending = self._window_of(span, utterance.window_start)
        if not pending.is_final and self._is_settled(pending.end):
            self._publish(transcribed=self._vad_end, error=self._snapshot.error)
            return None
        self._pending = pending
        window = Window(
            samples=self._window_samples(utterance, pending.end),
            language=self._snapshot.language,
            task=self.options.task,
            prompt=utterance.prompt,
            terms=self.options.terms,
            prefix=utterance.prefix,
            beam_size=FINAL_BEAM_SIZE if pending.is_final else self._config.partial_beam_size,
            is_partial=not pending.is_final,
        )
        return self._attempts.next_window(window)

    def accept(self, hypothesis: Hypothesis) -> None:
        """Use the model's answer to the last window."""
        pending, utterance = self._take_pending()
        if needs_fallback(hypothesis) and not pending.is_final:
            self._publish(transcribed=pending.end)  # the next partial pass decides
            return
        attempts = self._attempts.adding(hypothesis)
        if not attempts.is_done:
            self._attempts = attempts
            return
        self._attempts = Attempts()
        hypothesis = attempts.selected
        new = self._new_words(attempts.hypotheses, hypothesis, pending, utterance)
        if new is None:
            return
        self._keep_language(hypothesis, pending)
        n_final = self._n_to_commit([each.word for each in new], pending, utterance)
        if may_be_silence(hypothesis) and not pending.is_final:
            n_final = 0
        utterance.language = hypothesis.language
        utterance.update(new, n_final, pending.end_s)
        is_sentence = ends_sentence(hypothesis.words, language=hypothesis.language)
        self._segmenter.min_silence_s = (
            self._config.sentence_pause_s if is_sentence else self._config.hesitation_pause_s
        )
        if pending.closes:
            self._close_utterance(pending.end)
        else:
            self._trim(pending)
        self._publish(transcribed=pending.end, error=None)

    def reject(self, error: str) -> None:
        """Go on without an answer to the last window: the model failed on it twice.

        Args:
            error: a sentence for the user. What is shown of a final window becomes final.
        """
        pending, utterance = self._take_pending()
        self._attempts = Attempts()
        if pending.is_final:
            utterance.commit_tentative(pending.end_s)
        if pending.closes:
            self._close_utterance(pending.end)
        elif pending.is_full:
            self._advance(pending.end, len(utterance.committed_in_window))
        self._publish(transcribed=pending.end, error=error)

    # --- windows ---------------------------------------------------------------------

    def _window_of(self, span: SpeechSpan, start: int) -> _PendingWindow:
        """Return the window from sample ``start`` to the end of ``span``, if not too long."""
        max_samples = self._config.max_window_s * SAMPLE_RATE_HZ
        end = span.end if span.end is not None else self._vad_end
        end = min(max(end, start), self._vad_end)
        is_full = end - start > max_samples
        if is_full:
            end = start + int(max_samples)
        return _PendingWindow(start, end, span.end is not None and not is_full, is_full)

    def _window_samples(self, utterance: Utterance, end: int) -> Samples:
        """Return the audio of the utterance's window, its context first."""
        own = self._buffer.read(utterance.audio_start, end)
        return np.concatenate([utterance.context_samples, own])

    def _take_pending(self) -> tuple[_PendingWindow, Utterance]:
        pending, utterance = self._pending, self._utterance
        assert pending is not None and utterance is not None
        self._pending = None
        self._last_window_end = pending.end
        return pending, utterance

    def _is_settled(self, end: int) -> bool:
        """Return True if the last window covers all speech up to sample ``end``."""
        silence = int(self._config.settled_silence_s * SAMPLE_RATE_HZ)
        return min(end, self._segmenter.last_speech_end + silence) <= self._last_window_end

    def _trim(self, pending: _PendingWindow) -> None:
        """Move a long window past its committed words, so that cost stays flat."""
        assert self._utterance is not None
        committed = self._utterance.committed_in_window
        if pending.duration_s > self._config.trim_window_s and committed:
            n_passed = len(committed)
            if not pending.is_full:
                n_passed = trim_point(committed, self._utterance.language)
            cut = int(committed[n_passed - 1].end * SAMPLE_RATE_HZ)
            self._advance(min(max(cut, pending.start), pending.end), n_passed)
        elif pending.is_full:  # it has no words
            overlap = int(self._config.empty_window_overlap_s * SAMPLE_RATE_HZ)
            self._advance(pending.end - overlap, 0)

    def _advance(self, window_start: int, n_passed: int) -> None:
        assert self._utterance is not None
        self._segments += tuple(self._utterance.advance(window_start, n_passed))

    def _drop_old_audio(self) -> None:
        """Drop the audio that no window will contain again."""
        oldest = self._spans[0].start if self._spans else self._segmenter.silence_until
        if self._utterance is not None:
            oldest = max(self._utterance.audio_start, self._buffer.start)
        self._buffer.drop_before(min(oldest, self._vad_end))

    # --- words -----------------------------------------------------------------------

    def _new_words(
        self,
        attempts: Sequence[Hypothesis],
        hypothesis: Hypothesis,
        pending: _PendingWindow,
        utterance: Utterance,
    ) -> tuple[DecodedWord, ...] | None:
        """Return the window's words after the final ones; empty if nobody spoke.

        Returns None if the window must be decoded again without its context.

        Args:
            attempts: all hypotheses of the window.
            hypothesis: the selected one.
            pending: the window.
            utterance: the one it belongs to.
        """
        config = self._config
        new = self._spoken(utterance.new_words(hypothesis, pending.start_s), pending, utterance)
        speech_s = self._segmenter.speech_s(utterance.audio_start, pending.end)
        skipped_s = speech_s - utterance.worded_s(new)
        max_skipped_s = (
            config.max_skipped_final_s if pending.is_final else config.max_skipped_partial_s
        )
        if skipped_s > max_skipped_s and utterance.drop_context():
            return None
        is_untrusted = utterance.dropped_context and needs_fallback(hypothesis)
        new_speech_s = self._segmenter.speech_s(utterance.final_end, pending.end)
        own = [without_first_words(a, utterance.n_context_words(a)) for a in attempts]
        return () if is_untrusted or is_silence(own, new_speech_s) else new

    def _spoken(
        self, new: Sequence[DecodedWord], pending: _PendingWindow, utterance: Utterance
    ) -> tuple[DecodedWord, ...]:
        """Return the new words but those that were written again after the speech had ended."""
        known = utterance.committed_in_window
        words = (*known, *(each.word for each in new))
        speech_end = min(self._segmenter.last_speech_end, pending.end)
        mask = self._segmenter.speech_mask(utterance.audio_start, pending.end)
        spoken = without_unspoken_tail(words, speech_end / SAMPLE_RATE_HZ, count_bursts(mask))
        return tuple(new[: max(0, len(spoken) - len(known))])

    def _n_to_commit(
        self, new: Sequence[Word], pending: _PendingWindow, utterance: Utterance
    ) -> int:
        """Return how many of the new words become final."""
        config = self._config
        if pending.closes:
            return len(new)
        if pending.is_full:
            # The model is behind: there is no second pass, except over the words at the cut.
            cut_s = pending.end_s - config.full_window_guard_s
            return sum(word.end <= cut_s for word in new) or len(new)
        if pending.duration_s < config.min_commit_window_s or self._snapshot.language is None:
            return 0
        return local_agreement(utterance.tentative, new, pending.end_s, config)

    def _begin_utterance(self, start: int) -> Utterance:
        context, self._context = self._context, None
        return Utterance(start, context, self._config)

    def _close_utterance(self, end: int) -> None:
        assert self._utterance is not None
        self._context = self._utterance.context(self._window_samples(self._utterance, end))
        finished, self._utterance = self._utterance.close(), None
        self._spans.popleft()
        # Until the next words are known, no sentence ends.
        self._segmenter.min_silence_s = self._config.hesitation_pause_s
        self._segments += tuple(finished)

    def _keep_language(self, hypothesis: Hypothesis, pending: _PendingWindow) -> None:
        """Keep the detected language once the window is long enough to trust it."""
        if self._snapshot.language is not None or not hypothesis.words:
            return
        probability = hypothesis.language_probability
        is_given = probability == 1  # an English-only model does not guess
        delay_s = 0.0 if is_given else value_at(self._config.language_delay_s, probability)
        if pending.duration_s >= delay_s:
            self._snapshot = replace(
                self._snapshot, language=hypothesis.language, language_probability=probability
            )

    def _publish(
        self,
        *,
        transcribed: int | None = None,
        phase: Phase | None = None,
        error: str | None = None,
    ) -> None:
        """Replace the snapshot; ``transcribed`` is a sample, None leaves it as it is."""
        utterance, before = self._utterance, self._snapshot
        self._snapshot = replace(
            before,
            segments=self._segments,
            committed=utterance.committed if utterance else (),
            tentative=utterance.shown if utterance else (),
            transcribed_s=(
                before.transcribed_s if transcribed is None else transcribed / SAMPLE_RATE_HZ
            ),
            phase=phase or before.phase,
            error=error,
        )
