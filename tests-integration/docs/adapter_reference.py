"""Writes the page with every field of every declaration, from the docstrings.

`python tests-integration/docs/adapter_reference.py` writes it again.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any, Dict, Tuple

import rlmesh.adapters as adapt
from rlmesh.adapters import roles

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "adapter-reference.md"

GROUPS = {
    "What an env says": (
        adapt.EnvTags,
        adapt.ImageTag,
        adapt.StateTag,
        adapt.Split,
        adapt.Field,
        adapt.TextTag,
    ),
    "What a model wants": (
        adapt.ModelSpec,
        adapt.Image,
        adapt.Stage,
        adapt.State,
        adapt.Concat,
        adapt.Constant,
        adapt.Text,
        adapt.Custom,
    ),
    "What both say": (adapt.Action, adapt.Actuator, adapt.Stats),
}

HEAD = """# Adapter fields

Every field of every declaration in `rlmesh.adapters`, with its default. A field that has none must
be given. What is wrong with a field is said when the declaration is built, what is wrong between
two sides when they are matched: [what adapters refuse](adapter-errors.md). [Adapters](adapters.md)
shows how they are used.
"""

ENCODINGS = """
## Rotations

Where a field is called `encoding`, it is one of these names, or a `CustomEncoding`:

| encoding | width | meaning |
|---|---|---|
| `quat_xyzw`, `quat_wxyz` | 4 | unit quaternion, scalar last or first |
| `axis_angle` | 3 | rotation vector, in radians |
| `rot6d` | 6 | the first two columns of the matrix, one after the other |
| `rot6d_rowmajor` | 6 | the same two columns, row by row |
| `euler_xyz` | 3 | roll, pitch, yaw: extrinsic x, y, z, in radians |
| `matrix` | 9 | 3 x 3, row by row |
| `gravity_xyz` | 3 | gravity's direction in the body's frame; only for a `State`, from any other |

A converted quaternion has w >= 0, and no angle is above pi; at gimbal lock the third Euler angle is
0. A zero quaternion and a degenerate `rot6d` are the identity. Equal encodings pass untouched.
"""


def page() -> str:
    """Return the page."""
    lines = [HEAD]
    for title, classes in GROUPS.items():
        lines.append(f"## {title}\n")
        for cls in classes:
            lines += section(cls)
    lines.append(ENCODINGS)
    lines += ["## Roles\n", "Any string is a role; these are well known:\n", "| name | role |"]
    names = [name for name in adapt.__all__ if isinstance(getattr(adapt, name), str)]
    lines += ["|---|---|", *(f"| `{name}` | `{getattr(roles, name)!r}` |" for name in names)]
    return "\n".join(lines) + "\n"


def section(cls: Any) -> Any:
    """Return the lines about one declaration."""
    doc = inspect.getdoc(cls)
    assert doc is not None
    words, meanings = taken_apart(doc)
    yield f"### {cls.__name__}\n"
    yield words + "\n"
    yield "| field | default | meaning |\n|---|---|---|"
    parameters = inspect.signature(cls).parameters
    fields = [field.name for field in dataclasses.fields(cls)]
    assert list(parameters) == fields == [name.lstrip("*") for name in meanings], cls
    for name, meaning in meanings.items():
        default = parameters[name.lstrip("*")].default
        value = "" if default is inspect.Parameter.empty else f"`{default!r}`"
        yield f"| `{name}` | {value} | {meaning} |"
    yield ""


def taken_apart(doc: str) -> Tuple[str, Dict[str, str]]:
    """Return a docstring's words, and what it says of each field."""
    words, _, rest = re.split(r"^(Attributes|Args):\n", doc, maxsplit=1, flags=re.MULTILINE)
    fields, _, _ = rest.partition("\n\n")
    meanings: Dict[str, str] = {}
    for line in fields.splitlines():
        found = re.match(r"    (\*?\w+): (.*)", line)
        if found:
            name = found[1]
            meanings[name] = found[2]
        else:
            meanings[name] += " " + line.strip()
    return words.strip(), {name: text.replace("|", "\\|") for name, text in meanings.items()}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
