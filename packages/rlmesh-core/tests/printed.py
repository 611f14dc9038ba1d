"""What `rlmesh run` and `rlmesh results` print."""

from __future__ import annotations


def row(out, count=4):
    """Return the first cells of the printed table: episodes, mean reward, success, steps."""
    lines = out.splitlines()
    (rule,) = (number for number, line in enumerate(lines) if line.startswith("─"))
    return lines[rule + 1].split()[:count]
