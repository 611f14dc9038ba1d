"""The home page, the README and the navigation name every page of the docs, by its title."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pages"
TITLES: Dict[str, str] = {
    page.name: page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    for page in sorted(PAGES.glob("*.md"))
    if page.name != "index.md"
}


def rows() -> Dict[str, str]:
    """Return file name and link text of each row of the home page's table."""
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    return {file: name for name, file in re.findall(r"^\|.*\| \[(.+)\]\((.+)\) \|$", text, re.M)}


def test_the_home_page_has_a_row_for_every_page_but_the_quickstart_that_it_starts_with() -> None:
    expected = {name: title for name, title in TITLES.items() if name != "quickstart.md"}
    assert rows() == expected
    assert "(quickstart.md)" in (PAGES / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["README.md", "docs/mkdocs.yml"])
def test_every_page_can_be_reached(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    pattern = r"docs/pages/([\w-]+\.md)" if file.endswith(".md") else r"- ([\w-]+\.md)$"
    named: List[str] = re.findall(pattern, text, re.M)
    missing = set(TITLES) - set(named)
    assert missing == set()
