"""A factory that works again only when the file is gone by which it knows that it has worked."""

from __future__ import annotations

import pathlib

from countdown import Countdown


def make(flag):
    pathlib.Path(flag).touch(exist_ok=False)
    return Countdown()
