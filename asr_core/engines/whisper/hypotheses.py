"""Hypothesis assembly: decoded tokens become words with times and probabilities."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr_core.engines.base import Hypothesis, mean_logprob
from asr_core.engines.whisper.confidence import nbest_word_posteriors
from asr_core.engines.whisper.requests import DecodingRequest
from asr_core.engines.whisper.tokenizer import WhisperTokenizer, WordTokens
from asr_core.text.repetition import collapse_loop, spurious_repeats
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
        tokens: text tokens, those of the draft first.
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
    """Return ``result`` with the loop at its end cut to one repetition, if it ran into the limit.

    A decoder that misses the end of the speech goes on to the limit, one phrase over and over.
    """
    if len(result.tokens) < len(request.draft) + request.max_new_tokens:
        return result
    return replace(result, tokens=collapse_loop(result.tokens), timings=None)


def build_hypothesis(
    result: DecodingResult,
    timings: TokenTimings | None,
    tokenizer: WhisperTokenizer,
    language: str,
    language_probability: float,
) -> Hypothesis:
    """Return the hypothesis of one window; without words if ``timings`` is None."""
    words: tuple[Word, ...] = ()
    if timings is not None:
        pieces = tokenizer.split_words(result.tokens, language)
        pieces, result, timings = _without_spurious_repeats(pieces, result, timings)
        words = _words(pieces, result, timings, tokenizer, language)
    probabilities = () if timings is None else tuple(timings.probabilities)
    ends = () if timings is None else tuple((timings.frames[1:] * SECONDS_PER_FRAME).tolist())
    text = "".join(word.text for word in words).encode()
    return Hypothesis(
        words=words,
        tokens=tuple(result.tokens),
        token_ends=ends,
        token_probabilities=probabilities,
        language=language,
        language_probability=language_probability,
        no_speech_probability=result.no_speech_probability,
        avg_logprob=mean_logprob(probabilities),
        compression_ratio=len(text) / len(zlib.compress(text)) if text else 1.0,
    )


def _words(
    pieces: Sequence[WordTokens],
    result: DecodingResult,
    timings: TokenTimings,
    tokenizer: WhisperTokenizer,
    language: str,
) -> tuple[Word, ...]:
    alternatives = [
        [piece.text for piece in tokenizer.split_words(tokens, language)]
        for tokens in result.alternatives
    ]
    texts = [piece.text for piece in pieces]
    posteriors = nbest_word_posteriors(texts, alternatives, result.likelihoods)
    words: list[Word] = []
    begin = 0
    for piece, posterior in zip(pieces, posteriors, strict=True):
        end = begin + piece.n_tokens
        probability = posterior * float(np.mean(timings.probabilities[begin:end]))
        start_s = float(timings.frames[begin]) * SECONDS_PER_FRAME
        end_s = float(timings.frames[end]) * SECONDS_PER_FRAME
        word = Word(piece.text, start_s, end_s, probability)
        words.append(limit_duration(word, is_first=not words))
        begin = end
    return tuple(words)


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


def _without_spurious_repeats(
    pieces: list[WordTokens], result: DecodingResult, timings: TokenTimings
) -> tuple[list[WordTokens], DecodingResult, TokenTimings]:
    """Remove the words that the text repeats although the audio has no time for them."""
    ends = list(itertools.accumulate(piece.n_tokens for piece in pieces))
    begins = [0, *ends[:-1]]
    seconds = (timings.frames[ends] - timings.frames[begins]) * SECONDS_PER_FRAME
    removed = spurious_repeats([comparison_key(piece.text) for piece in pieces], seconds.tolist())
    if not removed:
        return pieces, result, timings
    kept = [i for i in range(len(pieces)) if i not in removed]
    kept_tokens = [token for i in kept for token in range(begins[i], ends[i])]
    return (
        [pieces[i] for i in kept],
        replace(result, tokens=[result.tokens[at] for at in kept_tokens]),
        TokenTimings(
            timings.frames[[*kept_tokens, kept_tokens[-1] + 1]],
            [timings.probabilities[at] for at in kept_tokens],
        ),
    )
