"""Whisper on torch, for GPUs."""
