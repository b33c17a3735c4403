"""Evaluation: test cases, conditions, runs, scores and reports, and the store behind the test bench."""
