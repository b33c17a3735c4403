"""Hallucinations: words that Whisper writes where nobody speaks, and the gates that drop them."""

from __future__ import annotations

from collections.abc import Sequence

from asr_core.decoding.fallback import MIN_AVG_LOGPROB, needs_fallback
from asr_core.engines.base import Hypothesis
from asr_core.transcript import comparison_key

__all__ = ["KNOWN_HALLUCINATIONS", "is_silence", "may_be_silence"]

# All thresholds below: no-speech and coverage from 0 to 1, mean log-probabilities per token.
# The measurements are in docs/tuning.md.

MAX_NO_SPEECH_PROBABILITY = 0.6  # Radford et al. 2022, section 4.5

# Words of low probability: a beam makes up likelier texts for noise than greedy decoding does.
MAX_NO_SPEECH_IF_DOUBTFUL = 0.5
DOUBTFUL_AVG_LOGPROB = -0.5

# Words that the model hardly believes at all.
MAX_NO_SPEECH_IF_HOPELESS = 0.3
HOPELESS_AVG_LOGPROB = -1.5

# One word alone, however little it is believed: a murmur or a noise seldom lasts so short.
MAX_LONE_SPEECH_S = 0.8
MAX_NO_SPEECH_IF_LONE = 0.6
HOPELESS_AVG_LOGPROB_IF_LONE = -3.0

MAX_NO_SPEECH_TO_COMMIT = 0.3  # above it a partial hypothesis commits nothing

# Coverage: the share of the detected speech during which words are spoken. Judged from
# ``MIN_SPEECH_S`` seconds of speech on.
MIN_SPEECH_S = 3.0
MIN_COVERAGE = 0.4
MIN_AVG_LOGPROB_IF_UNCOVERED = -0.5
GOOD_COVERAGE = 0.6  # right words in loud noise cover this much, though no-speech is high

KNOWN_HALLUCINATIONS = frozenset(
    comparison_key(text)
    for text in (
        "Thanks for watching",
        "Thank you for watching",
        "Thank you so much for watching",
        "Please subscribe to my channel",
        "Subtitles by the Amara.org community",
        "Transcription by CastingWords",
        "Untertitel der Amara.org-Community",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Untertitelung des ZDF, 2020",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Sous-titrage ST' 501",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Legendas pela comunidade Amara.org",
        "Sottotitoli creati dalla comunità Amara.org",
        "Ondertitels ingediend door de Amara.org gemeenschap",
        "Napisy stworzone przez społeczność Amara.org",
        "Субтитры сделал DimaTorzok",
        "Продолжение следует...",
        "字幕由Amara.org社区提供",
        "ご視聴ありがとうございました",
        "시청해 주셔서 감사합니다",
    )
)
"""Credits of the films that Whisper learnt from, in :func:`comparison_key` form.

Such a list is the bag of hallucinations of Barański et al. 2025.
"""

MAX_NO_SPEECH_IF_KNOWN = 0.1
"""No-speech probability up to which such a line may have been spoken: people say them too."""


def may_be_silence(hypothesis: Hypothesis) -> bool:
    """Return True if another pass should confirm the words before they are committed."""
    return (
        hypothesis.no_speech_probability > MAX_NO_SPEECH_TO_COMMIT
        and hypothesis.avg_logprob < DOUBTFUL_AVG_LOGPROB
    )


def is_silence(attempts: Sequence[Hypothesis], speech_s: float) -> bool:
    """Return True if nobody spoke and the words of all attempts are to be dropped.

    The last attempt decides if it is trusted. If all need a fallback, one attempt that speaks
    for silence is enough: words that a repetition penalty brings up look likelier than they are.

    Args:
        attempts: hypotheses of one window, in the order of decoding.
        speech_s: seconds of speech that the voice activity detector found in the window.
    """
    if needs_fallback(attempts[-1]):
        return any(_is_hallucinated(attempt, speech_s) for attempt in attempts)
    return _is_hallucinated(attempts[-1], speech_s)


def _is_hallucinated(hypothesis: Hypothesis, speech_s: float) -> bool:
    """Return True if the model's own probabilities and the words' coverage speak for silence."""
    words_s = sum(word.end - word.start for word in hypothesis.words)
    is_long = speech_s > MIN_SPEECH_S
    is_uncovered = is_long and words_s < MIN_COVERAGE * speech_s
    is_covered = is_long and words_s >= GOOD_COVERAGE * speech_s
    no_speech, logprob = hypothesis.no_speech_probability, hypothesis.avg_logprob
    if comparison_key(hypothesis.text) in KNOWN_HALLUCINATIONS:
        return is_uncovered or no_speech > MAX_NO_SPEECH_IF_KNOWN
    if len(hypothesis.words) == 1 and speech_s <= MAX_LONE_SPEECH_S:
        is_hopeless = logprob < HOPELESS_AVG_LOGPROB_IF_LONE
        limit = MAX_NO_SPEECH_IF_HOPELESS if is_hopeless else MAX_NO_SPEECH_IF_LONE
        return no_speech > limit and logprob < DOUBTFUL_AVG_LOGPROB
    is_hopeless = logprob < HOPELESS_AVG_LOGPROB
    limit = MAX_NO_SPEECH_IF_HOPELESS if is_hopeless else MAX_NO_SPEECH_PROBABILITY
    is_unheard = no_speech > limit and logprob < MIN_AVG_LOGPROB
    is_doubtful = no_speech > MAX_NO_SPEECH_IF_DOUBTFUL and logprob < DOUBTFUL_AVG_LOGPROB
    return (
        is_unheard
        or (is_doubtful and not is_covered)
        or (is_uncovered and logprob < MIN_AVG_LOGPROB_IF_UNCOVERED)
    )
