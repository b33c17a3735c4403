"""Hypothesis assembly: decoded tokens become words with times and probabilities."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.base import Hypothesis, mean_logprob
from asr_core.engines.whisper.confidence import nbest_word_posteriors
from asr_core.engines.whisper.requests import DecodingRequest
from asr_core.engines.whisper.tokenizer import WhisperTokenizer
from asr_core.text.repetition import collapse_loop, is_runaway, spurious_repeats
from asr_core.transcript import Word, comparison_key

__all__ = [
    "DecodingResult",
    "TokenTimings",
    "build_hypothesis",
    "cut_runaway_loop",
    "limit_duration",
]

SECONDS_PER_FRAME = 0.02
"""Encoder frame: a mel hop of 10 ms, halved by a strided convolution."""

# The longest a word plausibly lasts, in seconds: a base, so much a letter, and more for each
# digit or letter that is spoken by itself, as in "599-341", "A-B-C", "U.S.".
_WORD_BASE_S, _PER_LETTER_S, _PER_SPELT_S = 0.4, 0.1, 0.5
_SPELT = re.compile(r"\d|(?<![\w'’])[^\W\d_](?![\w'’])")


@dataclass(frozen=True)
class TokenTimings:
    """Alignment of text tokens with the audio.

    Attributes:
        frames: (n_tokens + 1,) encoder frame at which each token begins; the last is where
            the text ends.
        probabilities: (n_tokens,) of the tokens, given the audio and those before.
    """

    frames: NDArray[np.int64]
    probabilities: Sequence[float]


@dataclass(frozen=True)
class DecodingResult:
    """Output of the decoder for one window.

    Attributes:
        tokens: text tokens, those of the request's prefix first.
        no_speech_probability: of the model's no-speech token.
        alternatives: token sequences of the other hypotheses that the beam kept.
        likelihoods: of each alternative, relative to the best hypothesis.
        timings: None if the engine aligns in a pass of its own.
    """

    tokens: list[int]
    no_speech_probability: float
    alternatives: Sequence[list[int]] = ()
    likelihoods: Sequence[float] = ()
    timings: TokenTimings | None = None


def cut_runaway_loop(result: DecodingResult, request: DecodingRequest) -> DecodingResult:
    """Return ``result`` with the loop at its end cut to one repetition, if it ran away.

    A decoder that misses the end of the speech goes on to the limit, one phrase over and over.
    """
    new = result.tokens[len(request.prefix) :]
    if len(new) < request.max_new_tokens and not is_runaway(new):
        return result
    return replace(result, tokens=request.prefix + collapse_loop(new), timings=None)


def build_hypothesis(
    result: DecodingResult,
    timings: TokenTimings | None,
    tokenizer: WhisperTokenizer,
    language: str,
    language_probability: float,
    n_prefix: int = 0,
) -> Hypothesis:
    """Return the hypothesis of one window; without words if ``timings`` is None.

    Args:
        result: tokens, those of the prefix first.
        timings: of these tokens.
        tokenizer: the model's.
        language: code.
        language_probability: 0 to 1.
        n_prefix: number of the prefix's tokens, of which nothing is returned.
    """
    known = [w.text for w in tokenizer.split_words(result.tokens[:n_prefix], language)]
    pieces: list[_Piece] = []
    if timings is not None:
        pieces = _new_pieces(result, timings, tokenizer, language, n_prefix)
        pieces = _without_spurious_repeats(pieces, known)
    words = _words(pieces, result, tokenizer, language, n_prefix)
    probabilities = [p for piece in pieces for p in piece.probabilities]
    text = "".join(word.text for word in words).encode()
    return Hypothesis(
        words=words,
        word_tokens=tuple(piece.tokens for piece in pieces),
        language=language,
        language_probability=language_probability,
        no_speech_probability=result.no_speech_probability,
        avg_logprob=mean_logprob(probabilities),
        compression_ratio=len(text) / len(zlib.compress(text)) if text else 1.0,
        known=tuple(known),
        word_logprobs=tuple(_logprob(piece) for piece in pieces),
    )


@dataclass(frozen=True)
class _Piece:
    """Word with its tokens, their probabilities, and its time in seconds."""

    text: str
    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    start_s: float
    end_s: float


def _logprob(piece: _Piece) -> float:
    return len(piece.tokens) * mean_logprob(piece.probabilities)


def _new_pieces(
    result: DecodingResult,
    timings: TokenTimings,
    tokenizer: WhisperTokenizer,
    language: str,
    n_prefix: int,
) -> list[_Piece]:
    """Return the words after the prefix."""
    pieces, begin = [], n_prefix
    for i, word in enumerate(tokenizer.split_words(result.tokens[n_prefix:], language)):
        end = begin + word.n_tokens
        if i == 0 and n_prefix and not comparison_key(word.text):
            begin = end  # punctuation after the prefix
            continue
        start_s, end_s = (timings.frames[[begin, end]] * SECONDS_PER_FRAME).tolist()
        tokens, probabilities = result.tokens[begin:end], timings.probabilities[begin:end]
        pieces.append(_Piece(word.text, tuple(tokens), tuple(probabilities), start_s, end_s))
        begin = end
    return pieces


def _without_spurious_repeats(pieces: Sequence[_Piece], known: Sequence[str]) -> list[_Piece]:
    """Remove the words that the text repeats although the audio has no time for them.

    Args:
        pieces: the words.
        known: the words before them, which were spoken, so they are never what is removed.
    """
    texts = [comparison_key(text) for text in (*known, *(piece.text for piece in pieces))]
    seconds = [math.inf] * len(known) + [piece.end_s - piece.start_s for piece in pieces]
    removed = {i - len(known) for i in spurious_repeats(texts, seconds)}
    return [piece for i, piece in enumerate(pieces) if i not in removed]


def _words(
    pieces: Sequence[_Piece],
    result: DecodingResult,
    tokenizer: WhisperTokenizer,
    language: str,
    n_prefix: int,
) -> tuple[Word, ...]:
    texts = [piece.text for piece in pieces]
    others = [
        [word.text for word in tokenizer.split_words(tokens[n_prefix:], language)]
        for tokens in result.alternatives
    ]
    # A text that ends with the prefix is as likely as it is short; it says nothing of these words.
    known = [i for i, other in enumerate(others) if not n_prefix or any(map(comparison_key, other))]
    posteriors = nbest_word_posteriors(
        texts, [others[i] for i in known], [result.likelihoods[i] for i in known]
    )
    return tuple(
        limit_duration(
            Word(
                piece.text,
                piece.start_s,
                piece.end_s,
                posterior * float(np.mean(piece.probabilities)),
            ),
            is_first=i == 0,
        )
        for i, (piece, posterior) in enumerate(zip(pieces, posteriors, strict=True))
    )


def limit_duration(word: Word, *, is_first: bool) -> Word:
    """Return ``word`` without the pause that the alignment added to it.

    Alignment leaves no frame unassigned: a pause goes to the word before it, and the one
    before all speech to the first word.
    """
    n_spelt = len(_SPELT.findall(word.text))
    longest_s = _WORD_BASE_S + _PER_LETTER_S * len(word.text.strip())
    longest_s += _PER_SPELT_S * (n_spelt if n_spelt > 1 else 0)
    if word.end - word.start <= longest_s:
        return word
    if is_first:
        return replace(word, start=word.end - longest_s)
    return replace(word, end=word.start + longest_s)
