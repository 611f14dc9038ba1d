"""Writes the tables of options into the page about the command, from the command itself.

`python tests-integration/docs/command_reference.py` writes them again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator, List

import typer

from rlmesh._cli.app import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "command-line.md"
TABLE = re.compile(r"(<!-- options of rlmesh (\S+) -->\n).*?(<!-- end of options -->\n)", re.DOTALL)

LINKS = {
    "--expose": "serving.md#attributes-and-methods",
    "--max-sessions": "serving.md#many-clients-at-a-time",
    "--drain-timeout": "operating.md#how-does-it-end",
    "--ready-file": "operating.md#when-is-it-ready",
    "--log-level": "operating.md#what-does-it-log",
    "--allow-insecure": "security.md",
    "--max-episode-steps": "evaluating.md#limits",
    "--on-error": "evaluating.md#when-an-episode-fails",
    "--execution-horizon": "models.md#chunks",
    "--chunk-blend": "models.md#chunks",
    "--instruction": "models.md#instructions",
    "--journal": "journal.md",
    "--backend": "backends.md",
    "--factory": "models.md#policies-that-keep-state-on-themselves",
    "--concurrency": "parallel.md",
    "--json": "operating.md#what-does-it-do",
}
"""Where more is said of an option."""


def page(text: str) -> str:
    """Return the page with its tables written anew.

    Args:
        text: The page as it is.
    """
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    tables = [found[2] for found in TABLE.finditer(text)]
    options = [name for name, command in commands.items() if len(command.params) > 0]
    assert sorted(tables) == sorted(options), f"expected a table for each of {options}"
    return TABLE.sub(lambda m: m[1] + "\n".join(_table(commands[m[2]])) + "\n" + m[3], text)


def _table(command: Any) -> Iterator[str]:
    yield "\n| | |\n|---|---|"
    for parameter in command.params:
        yield f"| {_names(parameter)} | {_meaning(parameter)} |"
    yield ""


def _names(parameter: Any) -> str:
    metavar = parameter.metavar or ""
    if parameter.param_type_name == "argument":
        return _code(metavar)
    names: List[str] = [*parameter.opts, *parameter.secondary_opts]
    name = ", ".join(_code(name) for name in names)
    if names[0] in LINKS:
        name = f"[{name}]({LINKS[names[0]]})"
    return f"{name} {_code(metavar)}" if metavar else name


def _meaning(parameter: Any) -> str:
    text = re.sub(r"\s+", " ", parameter.help or "").strip().rstrip(".")
    default = parameter.default
    is_plain = isinstance(default, (int, float, str)) and not isinstance(default, bool)
    given = f"; {_code(default)} unless given" if is_plain and parameter.opts[0][:2] == "--" else ""
    return _linked(text.replace("|", "\\|")) + given


def _linked(text: str) -> str:
    """Return a text in which what reads like a name of an option, or JSON, is code."""
    return re.sub(r"(--[a-z][a-z-]+|'\{.*?\}')", r"`\1`", text)


def _code(value: Any) -> str:
    return "`{}`".format(str(value).replace("|", "\\|"))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
