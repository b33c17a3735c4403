"""Pins of every package, direct and indirect, made from pyproject.toml.

    python scripts/lock.py              compile anew; pins that still fit stay as they are
    python scripts/lock.py --upgrade    compile anew with the newest versions
    python scripts/lock.py --check      name the files that are out of date; needs no network

Each file carries a digest of what it was made from, which ``--check`` compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

FILES = {  # the widest first: the others take their versions from it
    "requirements-dev.txt": (
        ("dev",),
        "The app, its tests and its checks, without CUDA's packages, which torch pins itself.",
    ),
    "requirements-torch.txt": (
        ("app", "torch"),
        "The app with the torch engine on every platform; for GPU servers.",
    ),
    "requirements.txt": (
        ("app",),
        "The app: laptops, Streamlit Community Cloud, servers without a GPU.",
    ),
}
LOCK = "deploy/requirements.lock"
WIDEST = next(iter(FILES))

# A torch without CUDA, which is all that tests need, does not ask for these.
_CUDA = re.compile(r"^(nvidia-|cuda-|triton\b).*\n", re.MULTILINE)


def main() -> int:
    """Compile or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--upgrade", action="store_true")
    options = parser.parse_args()
    if options.check:
        outdated = find_outdated()
        for name in outdated:
            print(f"{name} is out of date; run make lock", file=sys.stderr)
        return 1 if outdated else 0
    compile_all(upgrade=options.upgrade)
    return 0


def find_outdated() -> list[str]:
    """Return the names of the files whose source has changed since they were made."""
    sources = {name: digest_of_project() for name in FILES} | {LOCK: digest_of_pins()}
    return [name for name, digest in sources.items() if f"sha256:{digest}" not in first_lines(name)]


def compile_all(*, upgrade: bool) -> None:
    """Write all files anew."""
    for name, (extras, what) in FILES.items():
        chosen = [f"--extra={extra}" for extra in extras]
        same = [] if name == WIDEST else ["--constraint", WIDEST]
        pins = _compile("pyproject.toml", name, *chosen, *same, upgrade=upgrade)
        if name == WIDEST:
            pins = _CUDA.sub("", pins)
        header = f"# {what}\n# Made by `make lock`: pyproject.toml sha256:{digest_of_project()}\n"
        (ROOT / name).write_text(header + pins)
    pins = _compile("requirements.txt", LOCK, "--generate-hashes", upgrade=False)
    header = (
        "# requirements.txt with the hashes of its packages, for pip install --require-hashes.\n"
        f"# Made by `make lock`: requirements.txt sha256:{digest_of_pins()}\n"
    )
    (ROOT / LOCK).write_text(header + pins)


def _compile(source: str, target: str, *arguments: str, upgrade: bool) -> str:
    """Return the pins for all platforms; those in ``target`` are preferred."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", source),
        *("--universal", "--python-version=3.11", "--no-annotate", "--no-header"),
        *("--no-emit-index-url", "--no-emit-find-links", "--output-file", target, *arguments),
    ]
    subprocess.run(command + ["--upgrade"] * upgrade, cwd=ROOT, check=True)
    return (ROOT / target).read_text()


def digest_of_project() -> str:
    """Return the digest of everything in pyproject.toml that decides about versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    keys = ("requires-python", "dependencies", "optional-dependencies")
    return _digest(json.dumps({key: project[key] for key in keys}, sort_keys=True))


def digest_of_pins() -> str:
    """Return the digest of the pins in requirements.txt."""
    text = (ROOT / "requirements.txt").read_text()
    return _digest("\n".join(re.findall(r"^[^#\s].*", text, re.MULTILINE)))


def first_lines(name: str) -> str:
    """Return the head of a file, with its digest; empty if there is no such file."""
    path = ROOT / name
    return "".join(path.read_text().splitlines(keepends=True)[:2]) if path.exists() else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
