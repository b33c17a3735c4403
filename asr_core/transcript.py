"""Results of recognition: words, segments and transcripts.

All times are seconds on the audio clock: zero is the first sample of the recording or of the
live session. They are counted in samples, never in wall time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Segment", "Transcript", "Word", "comparison_key", "join_words"]


@dataclass(frozen=True, slots=True)
class Word:
    """Word as the model wrote it.

    Attributes:
        text: with its leading space, if the script has one, so that words join to running text
            in any language.
        start: seconds.
        end: seconds, never before ``start``.
        probability: 0 to 1: mean probability of the word's tokens, times its posterior among
            the hypotheses that the beam kept.
    """

    text: str
    start: float
    end: float
    probability: float

    def shifted(self, offset_s: float) -> Word:
        """Return the same word ``offset_s`` seconds later."""
        return replace(self, start=self.start + offset_s, end=self.end + offset_s)


def comparison_key(text: str) -> str:
    """Return ``text`` without case, punctuation and spaces, for comparing words."""
    return "".join(character for character in text.casefold() if character.isalnum())


def join_words(words: Iterable[Word]) -> str:
    """Return the running text of ``words``, without outer spaces."""
    return "".join(word.text for word in words).strip()


_PACKED_WORD = struct.Struct("=3dI")  # start, end, probability, number of characters


@dataclass(frozen=True, slots=True)
class Segment:
    """Sentence, or the speech between two pauses: one line on the page.

    Words are stored packed, in a quarter of the memory of objects: a day of speech has 200 000.

    Attributes:
        start: seconds.
        end: seconds.
        language: code, if it was detected for this segment alone.
        speaker: name of the channel, if each channel is a speaker.
    """

    start: float
    end: float
    _text: str
    _packed: bytes = field(repr=False)
    language: str | None = None
    speaker: str | None = None

    @classmethod
    def from_words(
        cls, words: Sequence[Word], language: str | None = None, speaker: str | None = None
    ) -> Segment:
        """Return the segment that spans ``words``, of which there must be at least one."""
        packed = (_PACKED_WORD.pack(w.start, w.end, w.probability, len(w.text)) for w in words)
        return cls(
            words[0].start,
            max(word.end for word in words),
            "".join(word.text for word in words),
            b"".join(packed),
            language,
            speaker,
        )

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of the segment, unpacked on each access."""
        texts = io.StringIO(self._text)
        return tuple(
            Word(texts.read(n_characters), start, end, probability)
            for start, end, probability, n_characters in _PACKED_WORD.iter_unpack(self._packed)
        )

    @property
    def text(self) -> str:
        """Running text, without outer spaces."""
        return self._text.strip()


@dataclass(frozen=True, slots=True)
class Transcript:
    """Text of one recording or live session.

    Attributes:
        segments: in the order of time; those of different speakers may overlap.
        duration: of the audio, seconds.
        language: Whisper's code, such as ``"en"``; None if no speech was found.
        language_probability: 0 to 1; 1 if the user gave the language.
        notes: sentences for the user, such as "the file breaks off after …".
        tracks: names of the file's audio tracks, if it has several, in their order.
    """

    segments: tuple[Segment, ...]
    duration: float
    language: str | None = None
    language_probability: float = 0.0
    notes: tuple[str, ...] = field(default=())
    tracks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Text of all segments, separated by spaces."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)
