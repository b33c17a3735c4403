"""What is known of the utterance that is being spoken: words, not audio.

A pure state machine: hypotheses come in, lines go out; it knows neither threads
nor models. Its window begins with the utterance and moves on past words that are
final, so that it stays short however long somebody speaks without a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asr_core.engines.base import Hypothesis
from asr_core.lines import ends_sentence, lines
from asr_core.live.policy import continuation, steady
from asr_core.transcript import Segment, Word, join_words

__all__ = ["Utterance"]

_ROUNDING_S = 0.01  # half a frame

PROMPT_CHARACTERS = 200
"""Of the same utterance, given to the model when its audio is gone."""


class Utterance:
    """Owned by one session; not for two threads at once.

    Attributes:
        window_start: first sample that the model still looks at.
        prompt: what was said before the window.
        draft: of the last hypothesis of this window the tokens of its final words.
        tentative: words after the final ones, as they seem now.
        shown: of those, what a reader is given: steadier, and no halves of words.
    """

    def __init__(self, start: int) -> None:
        self.window_start = start
        self.prompt = ""
        self.draft: tuple[int, ...] = ()
        self.tentative: tuple[Word, ...] = ()
        self.shown: tuple[Word, ...] = ()
        self._passed: list[Word] = []  # final, before the window, their line unfinished
        self._committed: list[Word] = []  # final, in the window

    @property
    def committed(self) -> tuple[Word, ...]:
        """Final words of the line that is being spoken."""
        return (*self._passed, *self._committed)

    @property
    def committed_in_window(self) -> Sequence[Word]:
        return self._committed

    def new_words(self, hypothesis: Hypothesis, offset_s: float) -> tuple[Word, ...]:
        """The words of a hypothesis of the window after those that are final.

        Args:
            offset_s: where the window begins on the session's clock.
        """
        heard = [word.shifted(offset_s) for word in hypothesis.words]
        n_skip = continuation(self._committed, heard)
        last = (self._committed or self._passed)[-1:]
        earliest = last[0].end if last else 0.0
        words = []
        for word in heard[n_skip:]:
            start = max(word.start, earliest)
            words.append(replace(word, start=start, end=max(word.end, start)))
        return tuple(words)

    def take(self, new: Sequence[Word], n_final: int, heard_until_s: float) -> None:
        """The first ``n_final`` of the ``new`` words are final, the others seem so."""
        self._committed += new[:n_final]
        final, before = new[:n_final], self.tentative
        self.tentative = tuple(new[n_final:])
        self.shown = steady(
            self.shown[continuation(final, self.shown) :],
            before[continuation(final, before) :],
            self.tentative,
            heard_until_s,
        )

    def draw_up(self, hypothesis: Hypothesis, offset_s: float) -> None:
        """Keep the tokens of the final words: from these the next look starts. What seems
        likely is heard anew, since only then other texts can speak against it.

        Args:
            offset_s: where the window begins on the session's clock.
        """
        final_s = self._committed[-1].end - offset_s if self._committed else 0.0
        self.draft = hypothesis.draft_until(final_s + _ROUNDING_S)

    def move_on(self, window_start: int, n_passed: int) -> list[Segment]:
        """Begin the window later, behind ``n_passed`` of its final words.

        Returns:
            The lines that are finished thereby.
        """
        passed, self._committed = self._committed[:n_passed], self._committed[n_passed:]
        self.window_start, self.draft = window_start, ()
        self.prompt = f"{self.prompt} {join_words(passed)}"[-PROMPT_CHARACTERS:].strip()
        whole = list(lines((*self._passed, *passed)))
        open_line = whole.pop() if whole and not ends_sentence(whole[-1].text) else None
        self._passed = list(open_line.words) if open_line else []
        return whole

    def close(self) -> list[Segment]:
        """The lines that are left at the end of the utterance."""
        return list(lines(self.committed))
