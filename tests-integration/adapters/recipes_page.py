"""The declarations of the page of recipes, which are tested and nowhere written twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "adapter-recipes.md"


def declarations() -> Dict[str, Any]:
    """Return the names that the page's Python blocks define."""
    text = PAGE.read_text(encoding="utf-8")
    namespace: Dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), namespace)
    return namespace
