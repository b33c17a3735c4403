"""Reference of the library's public names, made from their docstrings by pdoc.

    python scripts/reference.py            write it to build/reference/
    python scripts/reference.py --check    only fail on what is broken

Fails where a name of ``__all__`` or a type cannot be resolved, where a docstring refers to a name
of this package that is not there, and where a document links to or names a file or a test that is not there.
"""

from __future__ import annotations

import argparse
import builtins
import html
import pydoc
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import asr_core  # noqa: E402

MODULES = (
    "asr_core",
    "!asr_core.",
    "asr_core.errors",
    "asr_core.transcript",
    "asr_core.engines.base",
)


def main() -> int:
    """Write or check the reference; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        with tempfile.TemporaryDirectory() as folder:
            broken = build(Path(folder))
    else:
        broken = build(ROOT / "build" / "reference")
    broken += broken_links() + broken_names()
    for sentence in broken:
        print(sentence, file=sys.stderr)
    return 1 if broken else 0


def build(folder: Path) -> list[str]:
    """Write the pages to ``folder``; return a sentence for each broken reference."""
    import pdoc
    import pdoc.render

    for name in asr_core.__all__:  # pdoc finds no lazy names by itself
        getattr(asr_core, name)
    pdoc.render.configure(docformat="google", show_source=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=folder)
    pages = {page: page.read_text(encoding="utf-8") for page in folder.rglob("*.html")}
    return [
        f"{page.relative_to(folder)}: {name} is not there"
        for page, text in pages.items()
        for name in unresolved(text)
    ]


def unresolved(page: str) -> list[str]:
    """Return the code on a page that reads like a public name, but is no link."""
    code = (html.unescape(text) for text in re.findall(r"<code>([^<]+)</code>", page))
    return [text for text in code if _is_broken(text)]


def _is_broken(text: str) -> bool:
    first, *rest = text.removesuffix("()").split(".")
    if not rest:
        return bool(re.fullmatch(r"[A-Z]\w+", first)) and not hasattr(builtins, first)
    if first == "asr_core":  # parts that the reference leaves out are there all the same
        return pydoc.locate(text.removesuffix("()")) is None
    return first in asr_core.__all__ and all(part.isidentifier() for part in rest)


def broken_links() -> list[str]:
    """Return a sentence for each link in a Markdown file to a file or heading that is missing."""
    broken = []
    for document, text in documents():
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in link:
                continue
            path, _, heading = link.partition("#")
            target = document.parent / path if path else document
            if not target.exists() or (heading and heading not in _headings(target)):
                broken.append(f"{document.relative_to(ROOT)}: {link} is not there")
    return broken


def broken_names() -> list[str]:
    """Return a sentence for each file or test that a Markdown file names and that is missing."""
    files = [Path(line) for line in _tracked()]
    modules = {path.name for path in files}
    tests = "".join((ROOT / path).read_text() for path in files if path.match("test_*.py"))

    def is_there(name: str) -> bool:
        if _IN_A_FOLDER.fullmatch(name):
            return (ROOT / name).exists()
        if name.endswith(".py"):
            return name in modules
        return not name.startswith("test_") or f"def {name.removesuffix('…')}" in tests

    return [
        f"{document.relative_to(ROOT)}: {name} is not there"
        for document, text in documents()
        if document.name != "CHANGELOG.md"
        for name in re.findall(r"`([\w./-]+…?)`", text)
        if not is_there(name)
    ]


_IN_A_FOLDER = re.compile(
    r"(asr_core|benchmarks|deploy|docs|examples|pages|scripts|tests|widgets)/(?!\.env)[\w./-]*"
)


def documents() -> list[tuple[Path, str]]:
    """Return the Markdown files and their texts."""
    paths = [ROOT / line for line in _tracked("*.md")]
    return [(path, path.read_text(encoding="utf-8")) for path in paths]


def _tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def _headings(document: Path) -> set[str]:
    """Return the anchors that a Markdown file's headings get."""
    found = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in found}


if __name__ == "__main__":
    sys.exit(main())
