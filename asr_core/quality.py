"""Is a hypothesis to be trusted? The gates of both modes, and the further tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asr_core.engines.base import Hypothesis, Window
from asr_core.repetition import is_crammed, is_written_again, length_of_cycle
from asr_core.transcript import normalised

__all__ = [
    "BEAM_SIZE",
    "FALLBACKS",
    "fallback",
    "is_doubtful",
    "is_silence",
    "may_be_silence",
    "repeats_itself",
    "settled",
]

# Radford et al. 2022, section 4.5, and the defaults of openai-whisper.
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROBABILITY = 0.6

MIN_AVG_LOGPROB_IF_SAID_AGAIN = -0.5
"""Of a text that repeats itself and had its time. Sentences said two and three times had -0.02
to -0.13, digits -0.3 to -0.6 (tiny.en)."""

# Beams make up likelier texts for noise: "Yeah, wait a minute" at 0.54 and -0.64. Of 420
# stretches of speech none had a no-speech probability above 0.47 (tiny.en and base).
MAX_NO_SPEECH_IF_DOUBTED = 0.5
DOUBTED_AVG_LOGPROB = -0.5

MAX_NO_SPEECH_TO_COMMIT = 0.3
"""One look in 150 at speech is beyond it, and the next one makes up for that; of the
looks at the murmur of a crowd all are."""

# Speech that the models found this hard had no-speech probabilities of at most 0.2,
# the murmur of a crowd 0.4 and more (tiny.en and base).
HOPELESS_AVG_LOGPROB = -1.5
MAX_NO_SPEECH_IF_HOPELESS = 0.3

# The words of a hypothesis last about as long as the speech that was heard: at least
# two thirds of it in 290 stretches of speech (tiny.en and base), a tenth where a
# crowd murmured and the model wrote "Thank you".
MIN_EXPLAINED = 0.4
MIN_AVG_LOGPROB_IF_UNEXPLAINED = -0.5
MIN_SPEECH_S = 3.0

WELL_EXPLAINED = 0.6
"""Of some seconds of voices this much was said, though the model hears silence beside it: in
noise it does so at 0.5 to 0.7 with words that are right (five noises at 5 to 18 dB, both
models)."""

CREDITS = frozenset(
    normalised(text)
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
"""What Whisper writes where nobody speaks: the last lines of the films it learnt from
(such a list is the bag of hallucinations of Barański et al. 2025)."""

MAX_NO_SPEECH_IF_CREDITS = 0.1
"""People say some of it too; then the model hears speech and the words take as long."""

BEAM_SIZE = 5
"""Of a window that is decoded for good: a sixth fewer word errors on long recordings
than greedy for a fifth more time (tiny.en and base, 1000 s of read speech)."""

FALLBACKS = ((1.0, 30.0), (1.15, 30.0), (1.3, 30.0))
"""Repetition penalty and encoder context, seconds, of the further tries at a doubtful
window: first the context that Whisper was trained on, then less of what it repeats.
Nothing is drawn at random (as openai-whisper does there), so that the same recording
gives the same words whatever ran before it."""


def repeats_itself(hypothesis: Hypothesis) -> bool:
    """Return whether words were written that nobody said: again in no time, or over and over without
    the model believing them. What is believed and had its time was said again."""
    if is_written_again(hypothesis.words):
        return True
    words = [normalised(word.text) for word in hypothesis.words]
    repeats = hypothesis.compression_ratio > MAX_COMPRESSION_RATIO or length_of_cycle(words) > 0
    is_believed = hypothesis.avg_logprob >= MIN_AVG_LOGPROB_IF_SAID_AGAIN
    return repeats and (not is_believed or is_crammed(hypothesis.words))


def is_doubtful(hypothesis: Hypothesis) -> bool:
    """Return whether to decode again: the text is a loop, or the model hardly believes it."""
    return bool(hypothesis.words) and (
        repeats_itself(hypothesis) or hypothesis.avg_logprob < MIN_AVG_LOGPROB
    )


def may_be_silence(hypothesis: Hypothesis) -> bool:
    """What it says had better be heard once more before it is final."""
    return (
        hypothesis.no_speech_probability > MAX_NO_SPEECH_TO_COMMIT
        and hypothesis.avg_logprob < DOUBTED_AVG_LOGPROB
    )


def is_silence(tried: Sequence[Hypothesis], speech_s: float) -> bool:
    """Nothing was said to the microphone: drop the words of these tries at a window.

    If the last one convinces, it decides; if all are doubtful, one that speaks for
    silence is enough, since words that a penalty brings up look likelier than they are.

    Args:
        speech_s: seconds of voices in the window.
    """
    if is_doubtful(tried[-1]):
        return any(_is_unspoken(hypothesis, speech_s) for hypothesis in tried)
    return _is_unspoken(tried[-1], speech_s)


def _is_unspoken(hypothesis: Hypothesis, speech_s: float) -> bool:
    """The model hears no speech and hardly believes its words; or it hears little and doubts
    words that do not fill long voices; or it doubts words that take up little of them; or they
    are what it writes on silence."""
    said_s = sum(word.end - word.start for word in hypothesis.words)
    is_long = speech_s > MIN_SPEECH_S
    unexplained = is_long and said_s < MIN_EXPLAINED * speech_s
    explained = is_long and said_s >= WELL_EXPLAINED * speech_s
    no_speech, logprob = hypothesis.no_speech_probability, hypothesis.avg_logprob
    if normalised(hypothesis.text) in CREDITS:
        return unexplained or no_speech > MAX_NO_SPEECH_IF_CREDITS
    hopeless = logprob < HOPELESS_AVG_LOGPROB
    limit = MAX_NO_SPEECH_IF_HOPELESS if hopeless else MAX_NO_SPEECH_PROBABILITY
    unheard = no_speech > limit and logprob < MIN_AVG_LOGPROB
    doubted = no_speech > MAX_NO_SPEECH_IF_DOUBTED and logprob < DOUBTED_AVG_LOGPROB
    return (
        unheard
        or (doubted and not explained)
        or (unexplained and logprob < MIN_AVG_LOGPROB_IF_UNEXPLAINED)
    )


def fallback(window: Window, attempt: int) -> Window:
    """The window to decode at the ``attempt``-th further try, counted from 0.

    From the second on without the prompt, which may be what the text repeats.
    """
    penalty, context_s = FALLBACKS[attempt]
    prompt = "" if attempt else window.prompt
    return replace(window, prompt=prompt, repetition_penalty=penalty, context_s=context_s)


def settled(tried: Sequence[Hypothesis]) -> Hypothesis:
    """Of the tries at a window the last if it convinces, else the one to live with.

    A phrase that two tries repeat equally often was said that often.
    """
    if not is_doubtful(tried[-1]):
        return tried[-1]
    texts = [[normalised(word.text) for word in hypothesis.words] for hypothesis in tried]
    for i, text in enumerate(texts):
        if text in texts[:i]:
            return tried[i]
    return min(tried, key=lambda hypothesis: (repeats_itself(hypothesis), -hypothesis.avg_logprob))
