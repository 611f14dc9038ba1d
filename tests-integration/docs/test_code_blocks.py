"""Every code block in README.md and the docs runs, as it is written.

A page gets one namespace and one empty folder, and its blocks run in order:

- `python` is executed in the namespace. What it prints is what a `text` block right after it says.
- `python` that starts with a comment such as `# serve.py` becomes that file in the folder.
- `console` goes to bash: the lines after `$ `, as one script. The other lines, if there are any,
  are what it prints. What it leaves running with `&` is terminated at the end of the page.

`...` in an output stands for anything. There are no other languages, and no way to leave a block
out. Of the commands, those in `ELSEWHERE` are not run here: they act on the checkout.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "pages").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("pip install ", "python3 noxfile.py ")


class Block(NamedTuple):
    """One code block, and the number of lines before its first."""

    language: str
    text: str
    line: int


def blocks_of(page: Path) -> List[Block]:
    text = page.read_text(encoding="utf-8")
    blocks = [Block(m[1], m[2], text.count("\n", 0, m.start(2))) for m in BLOCK.finditer(text)]
    assert text.count("```") == 2 * len(blocks), f"{page}: a block is indented, or has a title"
    return blocks


def assert_output(got: str, want: str, where: str) -> None:
    """Compare as doctest does; tables have columns as wide as their numbers."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    matches = doctest.OutputChecker().check_output(want, got, options)
    assert matches, f"{where}: expected\n{want}\ngot\n{got}"


def end(terminal: subprocess.Popen[str]) -> str:
    """Terminate what still runs in a terminal; return what it printed and nobody has read."""
    assert terminal.stdout is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(terminal.pid, signal.SIGTERM)
    with terminal.stdout:
        return terminal.stdout.read()


class Reader:
    """Follows one page."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.namespace: Dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""
        self.terminals: List[subprocess.Popen[str]] = []

    def read(self, block: Block) -> None:
        where = f"{self.page}:{block.line}"
        if block.language == "python":
            name = re.match(r"# (\w+\.py)\n", block.text)
            if name is not None:
                (self.folder / name[1]).write_text(block.text, encoding="utf-8")
            else:
                self.execute(block)
        elif block.language == "text":
            assert_output(self.printed, block.text, where)
        else:
            assert block.language == "console", where
            self.run_commands(block, where)

    def execute(self, block: Block) -> None:
        # The empty lines make tracebacks tell the page's own lines.
        code = compile("\n" * block.line + block.text, str(self.page), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.namespace)
        self.printed = printed.getvalue()

    def run_commands(self, block: Block, where: str) -> None:
        lines = block.text.splitlines()
        commands = [line[2:] for line in lines if line.startswith("$ ")]
        commands = [command for command in commands if not command.startswith(ELSEWHERE)]
        terminal = subprocess.Popen(
            ["bash", "-ec", "\n".join(commands)],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.terminals.append(terminal)
        assert terminal.stdout is not None
        shown = [line for line in lines if not line.startswith("$ ")]
        for line in shown:
            assert_output(terminal.stdout.readline(), f"{line}\n", where)
        status = terminal.wait()
        if status or not any(command.endswith("&") for command in commands):
            self.terminals.remove(terminal)
            rest = end(terminal)
            assert status == 0, f"{where}: {rest}"
            assert not (shown and rest), f"{where}: {rest}"

    def close(self) -> None:
        """Terminate what still runs; nobody may complain, and nothing may be left behind."""
        for terminal in self.terminals:
            rest = end(terminal)
            assert not re.search("^(rlmesh: |Traceback)", rest, re.MULTILINE), rest
        assert not list(self.folder.glob("*.sock*"))

    def kill(self) -> None:
        """End what a failed test may have left."""
        for terminal in self.terminals:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(terminal.pid, signal.SIGKILL)


@pytest.fixture(params=PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def reader(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    reader = Reader(request.param, tmp_path)
    yield reader
    reader.kill()


def test_every_code_block_runs_as_written(reader: Reader) -> None:
    for block in blocks_of(reader.page):
        reader.read(block)
    reader.close()
