"""Transcripts as files: text, subtitles, data and documents."""
