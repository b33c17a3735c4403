"""Words of the utterance that is being spoken; its audio is the session's.

A pure state machine: hypotheses come in, segments go out; it knows neither threads
nor models. Its window begins with the utterance and advances past committed words, so
that it stays short however long somebody speaks without a pause. What is final in the
window is the decoder's prefix, so that no hypothesis can write it again or leave it out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import Hypothesis
from asr_core.streaming.config import STREAMING_DEFAULTS, StreamingConfig
from asr_core.streaming.policy import stabilize_partial, words_after
from asr_core.text.segmentation import is_segment_end, split_into_segments
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Segment, Word, join_words

__all__ = ["Context", "DecodedWord", "Utterance"]

_SEAM_S = 0.2  # within the silence that is kept after an utterance


@dataclass(frozen=True)
class DecodedWord:
    """Word and its text tokens."""

    word: Word
    tokens: tuple[int, ...]

    def shifted(self, offset_s: float) -> DecodedWord:
        """Return it ``offset_s`` seconds later."""
        return replace(self, word=self.word.shifted(offset_s))


@dataclass(frozen=True)
class Context:
    """Recent speech, which the next utterance's window begins with; the pause between is cut out.

    Attributes:
        samples: (n_samples,) float32 at 16 kHz.
        words: its words, final, in seconds from its first sample.
        is_doubtful: one of them may be misheard, so they are decoded again with what follows:
            as a prefix they would make it sound like them.
    """

    samples: NDArray[np.float32]
    words: tuple[DecodedWord, ...]
    is_doubtful: bool = False


class Utterance:
    """State of one utterance; owned by one session, not thread-safe.

    Args:
        start: its first sample.
        context: recent speech, heard again before it.
        config: thresholds.

    Attributes:
        window_start: sample at which the window would begin if its context came right before
            the utterance.
        prompt: text of the utterance before the window.
        shown: the stable part of the tentative words, for the reader.
        language: code of the language of the last hypothesis.
        dropped_context: True once the model skipped speech after the context, so that the
            utterance is transcribed without it.
    """

    def __init__(
        self,
        start: int,
        context: Context | None = None,
        config: StreamingConfig = STREAMING_DEFAULTS,
    ) -> None:
        self._start = start
        self._config = config
        self.prompt = ""
        self.language: str | None = None
        self.shown: tuple[Word, ...] = ()
        self._tentative: tuple[DecodedWord, ...] = ()
        self._passed: list[Word] = []  # final, before the window, of the unfinished segment
        self._committed: list[DecodedWord] = []  # final, in the window
        self._context = context
        self._reheard: tuple[DecodedWord, ...] = ()  # words of an open context, decoded again
        self.window_start = start - (len(context.samples) if context else 0)
        self.dropped_context = False

    @property
    def committed(self) -> tuple[Word, ...]:
        """Final words of the unfinished segment."""
        return (*self._passed, *self.committed_in_window)

    @property
    def committed_in_window(self) -> tuple[Word, ...]:
        """Final words of the utterance in the window."""
        return tuple(each.word for each in self._committed)

    @property
    def tentative(self) -> tuple[Word, ...]:
        """Words of the last hypothesis after the final ones."""
        return tuple(each.word for each in self._tentative)

    @property
    def prefix(self) -> tuple[int, ...]:
        """Tokens of the final words in the window, with which every hypothesis begins."""
        if self._is_context_open:
            return ()
        return tuple(itertools.chain.from_iterable(w.tokens for w in self._final_in_window))

    @property
    def _is_context_open(self) -> bool:
        return self._context is not None and self._context.is_doubtful

    @property
    def audio_start(self) -> int:
        """First sample of the utterance's own audio in the window."""
        return self.window_start + len(self.context_samples)

    @property
    def context_samples(self) -> NDArray[np.float32]:
        """(n_samples,) with which the window begins, before the utterance's own audio."""
        return self._context.samples if self._context else np.zeros(0, np.float32)

    @property
    def final_end(self) -> int:
        """Sample up to which the own audio of the window is transcribed for good."""
        if not self._committed:
            return self.audio_start
        return max(self.audio_start, round(self._committed[-1].word.end * SAMPLE_RATE_HZ))

    @property
    def _final_in_window(self) -> tuple[DecodedWord, ...]:
        """Final words in the window, those of the context included."""
        context = self._context.words if self._context else ()
        offset_s = self.window_start / SAMPLE_RATE_HZ
        return (*(each.shifted(offset_s) for each in context), *self._committed)

    def worded_s(self, new: Sequence[DecodedWord]) -> float:
        """Return the seconds that the final words in the window and ``new`` ones cover."""
        return sum(each.word.end - each.word.start for each in (*self._committed, *new))

    def drop_context(self) -> bool:
        """Begin the window with the utterance itself; return False if it does already."""
        if self._context is None:
            return False
        self.window_start, self._context = self._start, None
        self.dropped_context = True
        return True

    def new_words(self, hypothesis: Hypothesis, offset_s: float) -> tuple[DecodedWord, ...]:
        """Return the words of a hypothesis, which goes on from the prefix.

        Args:
            hypothesis: its times count from the start of the window.
            offset_s: start of the window on the session's clock, seconds.
        """
        last = (self.committed_in_window or self._passed)[-1:]
        earliest_s = max(last[0].end if last else 0.0, self.audio_start / SAMPLE_RATE_HZ)
        decoded = list(zip(hypothesis.words, hypothesis.word_tokens, strict=True))
        n = self.n_context_words(hypothesis)
        self._reheard = tuple(DecodedWord(*each) for each in decoded[:n])
        new = []
        for word, tokens in decoded[n:]:
            start = max(word.start + offset_s, earliest_s)
            end = max(word.end + offset_s, start)
            new.append(DecodedWord(replace(word, start=start, end=end), tokens))
        return tuple(new)

    def n_context_words(self, hypothesis: Hypothesis) -> int:
        """Return how many words of a hypothesis are those of a context that is not its prefix."""
        if not self._is_context_open:
            return 0
        # The last word before the pause begins earlier, and what follows it later.
        seam_s = len(self.context_samples) / SAMPLE_RATE_HZ - _SEAM_S
        return sum(word.start < seam_s for word in hypothesis.words)

    def update(self, new: Sequence[DecodedWord], n_final: int, audio_end_s: float) -> None:
        """Commit the first ``n_final`` of the ``new`` words; the others are tentative.

        Args:
            new: as `new_words` returns them.
            n_final: how many are final.
            audio_end_s: end of the window on the session's clock, seconds.
        """
        if n_final and self._context is not None and self._is_context_open:
            # What follows is final as it was heard behind these words.
            self._context = Context(self._context.samples, self._reheard)
        words = [each.word for each in new]
        shown = words_after(self.shown, words, n_final)
        previous = words_after(self.tentative, words, n_final)
        self._committed += new[:n_final]
        self._tentative = tuple(new[n_final:])
        self.shown = stabilize_partial(shown, previous, self.tentative, audio_end_s, self._config)

    def commit_tentative(self, audio_end_s: float) -> None:
        """Commit the words of the last hypothesis: there will be no other."""
        self.update(self._tentative, len(self._tentative), audio_end_s)

    def advance(self, window_start: int, n_passed: int) -> list[Segment]:
        """Begin the window later, after ``n_passed`` of its final words.

        Returns:
            The segments that are finished by that.
        """
        passed, self._committed = self.committed_in_window[:n_passed], self._committed[n_passed:]
        self._context = None
        self.window_start = window_start
        text = f"{self.prompt} {join_words(passed)}"
        self.prompt = text[-self._config.prompt_chars :].strip()
        segments = list(split_into_segments((*self._passed, *passed), self.language))
        following = self._committed[0].word if self._committed else None
        is_open = segments and not is_segment_end(segments[-1].words, following, self.language)
        open_segment = segments.pop() if is_open else None
        self._passed = list(open_segment.words) if open_segment else []
        return segments

    def close(self) -> list[Segment]:
        """Return the segments that are left at the end of the utterance."""
        return list(split_into_segments(self.committed, self.language))

    def context(self, samples: NDArray[np.float32]) -> Context | None:
        """Return the context for the next utterance; None if there are no late words.

        The last ``context_s`` seconds, from the start of a sentence if one starts there. If
        nothing was said, it is this utterance's own context.

        Args:
            samples: (n_samples,) of the window, which ends with the utterance.
        """
        if not self._committed and self._context is not None:
            return self._context
        offset_s = self.window_start / SAMPLE_RATE_HZ
        words = [each.shifted(-offset_s) for each in self._final_in_window]
        plain = [each.word for each in words]
        earliest_s = len(samples) / SAMPLE_RATE_HZ - self._config.context_s
        late = [i for i, word in enumerate(plain) if word.start >= earliest_s]
        if not late:
            return None
        starts = [i for i in late if i and ends_sentence(plain[:i], plain[i], self.language)]
        first = starts[0] if starts else late[0]
        previous_end_s = plain[first - 1].end if first else 0.0
        start_s = max(plain[first].start - self._config.context_lead_s, previous_end_s, 0.0)
        start = round(start_s * SAMPLE_RATE_HZ)
        doubt = self._config.max_doubtful_probability
        return Context(
            samples[start:],
            tuple(w.shifted(-start / SAMPLE_RATE_HZ) for w in words[first:]),
            is_doubtful=any(word.probability < doubt for word in plain[first:]),
        )
