"""The page of the documentation, from the JSON files alone."""

import json

from _learning import MEASURED

from _claims.claim import CLAIMS, SUBJECTS
from _claims.papers import PAPERS

INTRODUCTION = """# What papers claim, and what we measured

Each row is one claim of a paper about a scheme of this package, and what came of it on
small networks. `python tutorials/claims.py` measures everything again and writes this
page; `--only NAME` measures one claim. The numbers lie in `docs/measured/claims/`.

- **Claim.** Words in quotation marks are the paper's. The others are our short form.
- **Measured.** The mean of the seeds, and in brackets the lowest and the highest.
  Where networks are trained, each contender tries the same learning rates from the same
  seeds, and is shown at the rate with the lowest training loss. What it reached is
  measured on test data: accuracies on digits in percent, or losses.
- **Comes out.** "yes", "partly" or "no", by a rule in the code and not by hand. It is
  about the size that we tried, which is far below that of the papers.
- **Trained.** Whether networks were trained. What needs no training is also a test
  (`tests/test_claims.py`), at a smaller size.
"""
COLUMNS = [
    *("scheme", "paper", "claim", "comes out", "measured", "size", "trained"),
    "backend, script",
]
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"


def stored():
    """The JSON of each claim that was measured, in the order of the code."""
    found = {}
    for name in CLAIMS:
        path = MEASURED / "claims" / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text())
    return found


def page(found):
    """The whole page.

    Args:
        found: dict. The values of the JSON file of each claim, by its name.
    """
    counts = {
        verdict: sum(values["comes_out"] == verdict for values in found.values())
        for verdict in ("yes", "partly", "no")
    }
    parts = [
        INTRODUCTION,
        f"Of {len(found)} claims {counts['yes']} come out, {counts['partly']} in part, "
        f"and {counts['no']} not.\n",
    ]
    for subject, title in SUBJECTS.items():
        rows = [values for values in found.values() if values["subject"] == subject]
        rows.sort(key=lambda values: (values["paper"], values["trains"]))
        if rows:
            parts.append(f"## {title}\n\n{HEAD}" + "".join(map(row, rows)))
    parts.append("## What does not come out, or in part\n\n" + exceptions(found))
    return "\n".join(parts)


def row(values):
    """A line of a table."""
    script = values["script"]
    how = f"[{script.partition('.')[0]}](../tutorials/{script})"
    cells = [
        ", ".join(reference(scheme) for scheme in values["schemes"]),
        linked(values["paper"]),
        values["claim"],
        f"**{values['comes_out']}**",
        values["measured"],
        values["size"],
        trained(values),
        f"{values['backend']}, {how}",
    ]
    return f"| {' | '.join(cells)} |\n"


def reference(scheme):
    """A scheme, linked to its page."""
    return f"[`{scheme.split('.')[-1]}`](reference/{scheme.replace('.', '/')}.md)"


def linked(paper):
    """A paper, linked to where it is."""
    return f"[{paper}]({PAPERS[paper]})" if PAPERS[paper] else paper


def trained(values):
    """How many seeds and rates were tried."""
    seeds, rates = len(values["seeds"]), len(values["rates"])
    if not values["trains"]:
        return "no"
    return f"{seeds} seeds, {rates} {'rate' if rates == 1 else 'rates'}"


def exceptions(found):
    """A line for each claim that does not come out as a whole."""
    lines = []
    for values in found.values():
        if values["comes_out"] != "yes":
            why = f" {values['why']}" if values["why"] else " We do not know why."
            lines.append(
                f"- {linked(values['paper'])}: {values['claim']}. "
                f"**{values['comes_out']}**: {values['measured']} "
                f"({values['size']}).{why}\n"
            )
    return "".join(lines)
