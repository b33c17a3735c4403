"""The sections of the test bench."""
