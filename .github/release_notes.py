"""Prints what the changelog says of the version of a tag, or says what is missing.

    python .github/release_notes.py v0.1.0

The tag names the version of the package and of `CITATION.cff`, and the changelog gives
that version a date.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def found(file, pattern):
    """The first group of a pattern in a file."""
    match = re.search(pattern, (ROOT / file).read_text("utf-8"), re.M | re.S)
    return match[1] if match else None


def release_notes(tag):
    """The section of the changelog, without its heading."""
    version = tag.removeprefix("v")
    named = {
        "keras_initx/__init__.py": r'^__version__ = "([^"]+)"',
        "CITATION.cff": r"^version: (\S+)",
    }
    for file, pattern in named.items():
        if found(file, pattern) != version:
            sys.exit(f"{file} says {found(file, pattern)}, and the tag says {tag}.")
    heading = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n"
    notes = found("CHANGELOG.md", heading + r"(.*?)(?=^## |\Z)")
    if notes is None:
        sys.exit(f"CHANGELOG.md has no section '## {version} (year-month-day)'.")
    return notes.strip()


if __name__ == "__main__":
    print(release_notes(sys.argv[1]))
