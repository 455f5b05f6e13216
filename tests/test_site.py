"""The site of the docs builds without a link that leads nowhere, and has all public names."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_all_names_have_an_entry(site: Path) -> None:
    """Functions and classes on pages, methods below their classes, all of them to be linked to."""
    pages = "".join(page.read_text(encoding="utf-8") for page in site.glob("reference/*.html"))
    entries = set(re.findall(r'id="nestflow\.([^"]*)"', pages))
    names = runpy.run_path(str(ROOT / "scripts" / "public_names.py"))["public"]()
    # Transformers stand where their module is, and so does the class that has a page of its own.
    elsewhere = {name for section in names.values() for name in section if name.startswith("Transformer.")}
    elsewhere = {*elsewhere, "base.Pipeline", "serde._"}
    public = {name for section in names.values() for name in section if not re.search(r"\._\w", name)}
    assert public - elsewhere <= entries
    assert {f"base.{name}" for name in elsewhere if name.startswith("Transformer.")} <= entries


def test_docstrings_are_read(site: Path) -> None:
    """Their sections are sections, and their examples are code."""
    page = (site / "reference" / "transforms.html").read_text(encoding="utf-8")
    assert page.count("Raises:") > 30
    assert page.count('<span class="gp">') > 60


def test_search_and_menu(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"] for entry in index["docs"]}
    assert "reference/transforms.html#nestflow.transforms.cogroup" in places
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in ("tutorial.html", "from-bigflow.html", "reference/pcollection.html", "changelog.html"):
        assert f'href="{page}"' in home
