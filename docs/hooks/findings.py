"""Runs the code of `docs/findings.md`, so that the page says what is true today.

A block that begins with "```python run=NAME" is a finding. It prints what it shows, and
sets `found` to whether it still holds. With `needs=PACKAGE` it runs where this package
is installed. Below the block stands what it printed, and with which versions. What was
found last is kept in `docs/measured/findings.json`: a page that is built with other
versions, or without the package, says so and breaks nothing.

    python docs/hooks/findings.py             shows the page
    python docs/hooks/findings.py --record    writes what is found now
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "findings.md"
RECORD = DOCS / "measured" / "findings.json"
_BLOCK = re.compile(
    r"^```python run=(?P<name>\w+)(?: needs=(?P<needs>\w+))?\n(?P<code>.*?)^```\n",
    re.M | re.S,
)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """What mkdocs calls for each page."""
    return with_results(markdown) if page.file.src_uri == PAGE.name else markdown


def with_results(markdown: str) -> str:
    """The page with the result of each block below it."""
    record = json.loads(RECORD.read_text("utf-8"))
    results = results_of(markdown)

    def shown(match: re.Match[str]) -> str:
        name = match["name"]
        words = told(results[name], record.get(name))
        return f"```python\n{match['code']}```\n\n{words}"

    return _BLOCK.sub(shown, markdown)


def told(result: dict[str, Any], last: dict[str, Any] | None) -> str:
    """What one block printed, and what that says."""
    now = _words(result["versions"])
    before = (
        "" if last is None else f" It was last found with {_words(last['versions'])}."
    )
    if result["status"] == "found":
        return f"{_printed(result['output'])}Found in this build, with {now}.\n"
    if result["status"] == "mended":
        return f"{_printed(result['output'])}**Mended:** not so with {now}.{before}\n"
    output = "" if last is None else _printed(last["output"])
    if result["status"] == "missing":
        why = f"Not run in this build, which has no `{result['needs']}`."
    else:
        why = f"**Changed:** with {now} this code ends in `{result['error']}`."
    return f"{output}{why}{before}\n"


@functools.cache
def results_of(markdown: str) -> dict[str, Any]:
    """The results of all blocks by their names, from a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--run"],
        input=markdown,
        capture_output=True,
        encoding="utf-8",
        env={"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"The findings did not run.\n{done.stderr}")
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def run_all(markdown: str) -> dict[str, Any]:
    """Runs the blocks in this process, one after the other, each on its own."""
    return {
        match["name"]: run(match["code"], match["needs"])
        for match in _BLOCK.finditer(markdown)
    }


def run(code: str, needs: str | None = None) -> dict[str, Any]:
    """Whether a finding holds, and what its code printed."""
    result: dict[str, Any] = {"needs": needs, "versions": _versions(needs)}
    if needs is not None and importlib.util.find_spec(needs) is None:
        return {**result, "status": "missing"}
    names: dict[str, Any] = {"__name__": "finding"}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(code, names)
        status = "found" if names["found"] else "mended"
    except Exception as error:
        first, *_ = str(error).splitlines() or [""]
        words = f"{type(error).__name__}: {first}".replace("`", "'")
        return {**result, "status": "changed", "error": words}
    return {**result, "status": status, "output": printed.getvalue()}


def record() -> None:
    """Keeps what was found now; what was not found keeps its last entry."""
    kept = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    results = results_of(PAGE.read_text("utf-8"))
    for name, result in results.items():
        if result["status"] == "found":
            kept[name] = {key: result[key] for key in ("versions", "output")}
    entries = {name: kept[name] for name in results if name in kept}
    RECORD.write_text(json.dumps(entries, indent=2) + "\n", "utf-8")


def _versions(needs: str | None) -> dict[str, str]:
    """The versions of what a block uses, and the backend."""
    import keras

    versions = {"keras": keras.__version__}
    if needs is not None:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[needs] = importlib.metadata.version(needs)
    return {**versions, "backend": keras.backend.backend()}


def _words(versions: dict[str, str]) -> str:
    *packages, backend = versions.items()
    named = " and ".join(f"{package} {version}" for package, version in packages)
    return f"{named} on {backend[1]}"


def _printed(output: str) -> str:
    lines = [textwrap.fill(line, 88) for line in output.rstrip().splitlines()]
    return "\n".join(["```text", *lines, "```", "", ""])


if __name__ == "__main__":
    if sys.argv[1:] == ["--run"]:
        print(json.dumps(run_all(sys.stdin.read())))
    elif sys.argv[1:] == ["--record"]:
        record()
    else:
        print(with_results(PAGE.read_text("utf-8")))
