"""Text: sentences, segments, line breaks, numbers and repetition."""
