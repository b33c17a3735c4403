"""Sections of the test bench page."""
