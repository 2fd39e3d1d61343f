"""The navigation of `mkdocs.yml`, whose folders are filled in."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig


def fill(config: MkDocsConfig, folder: str, pages: list[Any]) -> None:
    """Puts pages in the place of an entry `Title: folder/`.

    Raises:
        ValueError: If the navigation has no such entry.
    """
    for entry in config.nav or []:
        for title, value in entry.items() if isinstance(entry, dict) else ():
            inside = value if isinstance(value, list) else [value]
            if folder in inside:
                place = inside.index(folder)
                entry[title] = [*inside[:place], *pages, *inside[place + 1 :]]
                return
    raise ValueError(f"The navigation of mkdocs.yml needs an entry {folder!r}.")
