"""Texts as they are compared: what is written otherwise but says the same is made the same."""

from asr_core.evaluation.normalise.text import NormalisedText, normalise_text, word_spans

__all__ = ["NormalisedText", "normalise_text", "word_spans"]
