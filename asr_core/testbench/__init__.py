"""The test bench: cases, conditions, runs, scores, flags, and where they are kept."""
