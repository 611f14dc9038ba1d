"""How long replies lay unread because the thread that reads them was busy with other sessions."""

from __future__ import annotations

import math
from typing import NamedTuple


class Unread(NamedTuple):
    """For how many seconds the reply of a call that has just returned lay unread.

    Nobody knows when a message arrives while the thread does not look.

    Attributes:
        least: At least; the thread had read it, and was busy with what it had read before.
        most: At most; since it last looked, and saw nothing of it.
    """

    least: float = 0.0
    most: float = 0.0


class Way:
    """Splits the time of calls between the way to a server and the wait of an unread reply.

    A reply that came while the thread was waiting for it shows how long the way is. One that came
    meanwhile, unseen, is believed to have taken the shortest way that was seen.

    Attributes:
        shortest: The least that was seen; infinite before that.
    """

    def __init__(self) -> None:
        self.shortest = math.inf

    def unread(self, seconds: float, bounds: Unread) -> float:
        """Return for how much of a call's time its reply lay unread.

        Args:
            seconds: What the call took, without what the server says that it worked.
            bounds: What is known of the reply.
        """
        least, most = bounds
        if least == most:
            unread = min(least, seconds)
            self.shortest = min(self.shortest, seconds - unread)
            return unread
        shortest = 0.0 if self.shortest == math.inf else self.shortest
        return min(max(seconds - shortest, least), most, seconds)
