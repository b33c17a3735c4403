"""docs/settings.md, made from the settings' fields.

python scripts/settings_table.py            write it
python scripts/settings_table.py --check    only fail if it is out of date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from asr_core.settings import RENAMED, Settings, describe_values, name_of  # noqa: E402

DOCUMENT = ROOT / "docs" / "settings.md"

_INTRODUCTION = """\
# Settings

Made from `asr_core/settings.py` by `make settings`.

Set them in the environment or, for the app, at the top of its secrets
(`.streamlit/secrets.toml`, or *Secrets* on Community Cloud), which go first. The command line and
the library read the environment alone. A value that is not valid is reported in one sentence, and
the app does not start with it. MB are millions of bytes. [Deploying](deploying.md) has the tables
`[auth]` and `[roles]` of the secrets, and examples.

"""


def main() -> int:
    """Write or check the document; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        DOCUMENT.write_text(document(), encoding="utf-8")
    elif not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != document():
        print("docs/settings.md is out of date; run make settings", file=sys.stderr)
        return 1
    return 0


def document() -> str:
    """Return the text of the document."""
    rows = [
        (f"`{name_of(field)}`", field.description or "", describe_values(field), default(field))
        for field in Settings.model_fields.values()
    ]
    renamed = [(f"`{old}`", f"`{new}`") for old, new in RENAMED.items()]
    return (
        _INTRODUCTION
        + table("setting", "meaning", "value", "default", rows=rows)
        + "\nNames of earlier versions still work, with a warning in the log:\n\n"
        + table("earlier", "now", rows=renamed)
    )


def default(field: FieldInfo) -> str:
    """Return the default of ``field`` in words."""
    if isinstance(field.json_schema_extra, dict):
        return str(field.json_schema_extra["unset"])
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    if isinstance(field.default, float | int):
        return f"{field.default:g}"
    return str(field.default)


def table(*head: str, rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
