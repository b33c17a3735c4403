"""Transcribe a recording and write subtitles beside it.

python examples/transcribe_file.py talk.mp3
"""

import sys
from pathlib import Path

import asr_core

recording = Path(sys.argv[1])
model = asr_core.load_model(*sys.argv[2:])  # "base", unless another is named
transcript = model.transcribe(recording)
for segment in transcript.segments:
    print(f"{segment.start:7.2f} s  {segment.text}")
print("Wrote", transcript.save(recording.with_suffix(".srt")))
