"""Text normalisation for scoring: different spellings of the same words become equal."""

from asr_core.evaluation.normalise.text import NormalisedText, normalise_text, word_spans

__all__ = ["NormalisedText", "normalise_text", "word_spans"]
