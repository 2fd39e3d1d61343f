"""Adds a page for each public name, and a table for each namespace."""

import json
from typing import Any

import site_names
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from site_docstrings import markdown_of, sections_of, signature_of
from site_navigation import fill
from site_notebooks import NotebookPage, notebooks, read

import keras_initx


def on_config(config: MkDocsConfig) -> None:
    """Fills the part of the navigation that is named `reference/`."""
    pages: list[Any] = ["reference/index.md"]
    for namespace, members in site_names.public_names().items():
        inside = [{name: site_names.source_of(namespace, name)} for name in members]
        overview = f"reference/{namespace}/index.md"
        pages.append({site_names.NAMESPACES[namespace]: [overview, *inside]})
    fill(config, "reference/", pages)


@event_priority(50)
def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the pages as files of the site."""
    tutorials = [read(path) for path in notebooks()]
    pages = {"reference/index.md": _index()}
    for namespace, members in site_names.public_names().items():
        pages[f"reference/{namespace}/index.md"] = _overview(namespace)
        for name, member in members.items():
            text = _page(namespace, name, member, tutorials)
            pages[site_names.source_of(namespace, name)] = text
    for source, text in pages.items():
        files.append(File.generated(config, source, content=text))


def _index() -> str:
    """Where to look for what."""
    lines = ["# Reference", "", "Each public name has a page of its own.", ""]
    for namespace, title in site_names.NAMESPACES.items():
        lines += [f"## [{title}]({namespace}/index.md)", ""]
        names = site_names.public_names()[namespace]
        links = [f"[`{name}`]({namespace}/{name}.md)" for name in names]
        lines += [", ".join(links), ""]
    return "\n".join(lines)


def _overview(namespace: str) -> str:
    """A table of the names of a namespace."""
    members = site_names.public_names()[namespace]
    with_ids = any(site_names.ids_of(member) for member in members.values())
    lines = [f"# {site_names.NAMESPACES[namespace]}", ""]
    lines += [site_names.summary_of(getattr(keras_initx, namespace)), ""]
    lines.append(f"| name | what it does |{' string |' if with_ids else ''}")
    lines.append(f"|---|---|{'---|' if with_ids else ''}")
    for name, member in members.items():
        ids = f" {_ids(member)} |" if with_ids else ""
        summary = site_names.summary_of(member).replace("|", r"\|")
        lines.append(f"| [`{name}`]({name}.md) | {summary} |{ids}")
    return "\n".join([*lines, ""])


def _ids(member: Any) -> str:
    return ", ".join(f'`"{short_id}"`' for short_id in site_names.ids_of(member))


def _page(namespace: str, name: str, member: Any, tutorials: list[NotebookPage]) -> str:
    """The page of one public name."""
    entry = site_names.formulas().get(name, {})
    picture = site_names.panels_of(name)
    summary = site_names.summary_of(member)
    # What search engines show.
    description = json.dumps(f"keras_initx.{namespace}.{name}: {summary}")
    parts = [f"---\ndescription: {description}\n---", f"# {name}", summary]
    if "formula" in entry:
        parts.append(f"$$\n{entry['formula'].strip()}\n$$")
    parts += [entry.get(key, "") for key in ("where", "when", "not_when")]
    parts.append(_call(f"keras_initx.{namespace}.{name}", member))
    if picture:
        parts += [f"![{_alternative(name)}](../../{picture}){{ .panels }}"]
    parts += [markdown_of(member), *_methods(member), *_kinds(name, member)]
    parts.append(_tutorials(name, member, entry, tutorials))
    return "\n\n".join(part for part in parts if part) + "\n"


def _call(path: str, member: Any) -> str:
    """How it is called, and the strings that mean it."""
    ids = _ids(member)
    strings = f"As a string: {ids}." if ids else ""
    if isinstance(member, type) and "Args" not in sections_of(member):
        return f"`{path}`"
    return f"```python\n{signature_of(path, member)}\n```\n\n{strings}".strip()


def _alternative(name: str) -> str:
    """What stands in the place of a picture that cannot be seen."""
    return (
        f"{name}: a kernel, its singular values, the signal and the gradient by depth, "
        "and a learning curve beside Keras's default"
    )


def _methods(member: Any) -> list[str]:
    """The methods that a user calls. Those of Keras's protocol have no sections."""
    found = []
    for name, method in vars(member).items() if isinstance(member, type) else ():
        bound = getattr(member, name)
        # Without a docstring of its own it has that of Keras.
        is_ours = not name.startswith("_") and method.__doc__ and sections_of(bound)
        if not is_ours or not callable(bound):
            continue
        owner = f"{member.__name__}." if isinstance(method, classmethod) else ""
        call = signature_of(f"{owner}{name}", bound)
        text = f"{site_names.summary_of(bound)}\n\n{markdown_of(bound, '#### ')}"
        found.append(f"### `{name}`\n\n```python\n{call}\n```\n\n{text}")
    return ["## Methods", *found] if found else []


def _kinds(name: str, member: Any) -> list[str]:
    """The members of `VerdictKind`, with their sections."""
    if name != "VerdictKind":
        return []
    kinds = [f"[`{kind.value}`](../../verdicts.md#{kind.value})" for kind in member]
    return ["## Kinds", ", ".join(kinds)]


def _tutorials(
    name: str, member: Any, entry: dict[str, str], tutorials: list[NotebookPage]
) -> str:
    """Links to the notebooks that use it; the one that explains it comes first."""
    main = entry.get("tutorial", "").removesuffix(".ipynb")
    found = sorted(
        (
            page
            for page in tutorials
            if page.name == main or site_names.uses(page.code, name, member)
        ),
        key=lambda page: page.name != main,
    )
    links = [f"- [{page.title}](../../{page.source})" for page in found]
    return "\n".join(["## Tutorials", "", *links]) if links else ""
