"""Pages that stand elsewhere in the repository, and links that lead there.

A link in a page leads to a file beside it, as on GitHub. What the site has too is
linked there; any other file of the repository is linked on GitHub.
"""

import posixpath
import re
from collections.abc import Callable

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_names import ROOT

# The pages of the site that other folders hold.
PAGES = {
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
# The pictures in these pages.
PICTURES = {"assets/scaling.svg": "benchmarks/results/scaling.svg"}
_PLACES = {
    **{place: page for page, place in (PAGES | PICTURES).items()},
    "tutorials": "tutorials/index.md",
}
_LINK = re.compile(r"(\]\(<?)([^)\s>]+)")
_FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1[`~]* *$", re.MULTILINE | re.DOTALL)


@event_priority(40)
def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the pages and their pictures."""
    for page, place in PAGES.items():
        text = (ROOT / place).read_text("utf-8")
        files.append(File.generated(config, page, content=text))
    for picture, place in PICTURES.items():
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / place)))


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Rewrites the links of a page, and leaves one title to it."""
    folder = posixpath.dirname(_place_of(page.file.src_uri))

    def rewritten(link: re.Match[str]) -> str:
        return link[1] + _target(link[2], folder, page, config, files)

    def text(part: str) -> str:
        return _LINK.sub(rewritten, part)

    return outside_of_code(_demoted(markdown), text)


def outside_of_code(markdown: str, change: Callable[[str], str]) -> str:
    """Changes all of a text, blocks of code excepted."""
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _place_of(source: str) -> str:
    """Where a page of the site stands in the repository."""
    is_tutorial = source.startswith("tutorials/")
    return source if is_tutorial else PAGES.get(source, f"docs/{source}")


def _target(
    link: str, folder: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Where a link leads on the site."""
    path, mark, anchor = link.partition("#")
    if re.match(r"[a-z]+:|/", link) or not path:
        return link
    path, raw, _ = path.partition("?raw")
    place = posixpath.normpath(posixpath.join(folder, path))
    known = _PLACES.get(place, place.removeprefix("docs/"))
    if not raw and files.get_file_from_path(known):
        start = posixpath.dirname(page.file.src_uri)
        return posixpath.relpath(known, start or ".") + mark + anchor
    place = place.removeprefix("docs/") if raw else place
    if (ROOT / place).exists() and not place.startswith(".."):
        kind = "tree" if (ROOT / place).is_dir() else "blob"
        return f"{config.repo_url.rstrip('/')}/{kind}/main/{place}{mark}{anchor}"
    # MkDocs warns of a link that leads to no file.
    return link


def _demoted(markdown: str) -> str:
    """A page with one title: other headings of the first level go down by one."""
    titles: list[str] = []
    outside_of_code(
        markdown, lambda part: titles.extend(re.findall("^# .*", part, re.M)) or part
    )
    if len(titles) < 2:
        return markdown
    title, heading = titles[0], re.compile(r"^(?=#{1,5} )", re.MULTILINE)
    before, _, after = markdown.partition(title)
    return before + title + outside_of_code(after, lambda part: heading.sub("#", part))
