"""What the site of the docs has beside docs/: README and its like, the reference, decisions in the menu.

MkDocs calls these functions (`hooks` in mkdocs.yml). The reference is a page for each of the great
classes and for each section of public names; its text is that of the docstrings.
"""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
BESIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the project's top folder, and their pages."""

PAGES = ["Pipeline", "PCollection", "PObject", "PTable"]
"""Classes with a page of their own."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions into the menu."""
    pages = sorted(path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/decisions/*.md"))
    how = next(entry["How it works"] for entry in config.nav or [] if "How it works" in entry)
    how.append({"Decisions": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    for name, page in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for other, its_page in BESIDE.items():
            text = text.replace(f"]({other})", f"]({its_page})")
        files.append(File.generated(config, page, content=text.replace("](docs/", "](")))
    for page, text in reference().items():
        files.append(File.generated(config, f"reference/{page}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leave the name of what is linked and not part of the site: examples in the sources."""
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)*examples/[^)]*\)", r"\1", markdown)


def reference() -> dict[str, str]:
    """Give the texts of the pages of the reference by their names."""
    names = runpy.run_path(str(ROOT / "scripts" / "public_names.py"))
    pages = {kind.lower(): f"# {kind}\n\n::: nestflow.{kind}\n" for kind in PAGES}
    for title, listed in names["public"]().items():
        lines = [f"# {title}"]
        # Methods stand with their classes.
        for name in listed if title in names["MODULES"] else ():
            lines += ["", *_entry(name, names["found"](name))]
        if len(lines) > 1:
            pages[title.lower().replace(" ", "-")] = "\n".join(lines) + "\n"
    return pages


def _entry(name: str, named: Any) -> list[str]:
    if name.rpartition(".")[2] in PAGES:
        return [f"## {name}", "", f"See [{name.rpartition('.')[2]}]({name.rpartition('.')[2].lower()}.md)."]
    if inspect.isfunction(named) or inspect.isclass(named) or inspect.ismodule(named):
        shown = ["    options:", "      members: false"] if inspect.ismodule(named) else []
        return [f"::: nestflow.{name}", *shown]
    return [f"## {name}", "", f"`{named!r}`"]
