"""Trust in hypotheses: when to decode again, what to drop, which attempt to keep."""
