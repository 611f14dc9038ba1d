"""A module that imports what is not there."""

from __future__ import annotations

import no_such_dependency  # noqa: F401
