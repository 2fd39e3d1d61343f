"""After the build: each public name and each kind of verdict has its place."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from site_names import NAMESPACES, public_names, without_illustration

from keras_initx.diagnostics import VerdictKind

_LOG = get_plugin_logger("complete")


def on_post_build(config: MkDocsConfig) -> None:
    """Warns of what is missing, so that a strict build fails."""
    site = Path(config.site_dir)
    for namespace in NAMESPACES:
        for name in public_names()[namespace]:
            if not (site / "reference" / namespace / name / "index.html").exists():
                _LOG.warning(f"keras_initx.{namespace}.{name} stands on no page.")
    verdicts = (site / "verdicts" / "index.html").read_text("utf-8")
    anchors = set(re.findall(r'<h\d id="(\w+)"', verdicts))
    for kind in VerdictKind:
        if kind.value not in anchors:
            _LOG.warning(f"verdicts.md has no section {kind.value!r}.")
    for missing in without_illustration():
        _LOG.info(missing)
