"""Throws mutated requests at real servers: `python fuzz.py [--frames N] [--seed S] [KIND...]`.

Valid requests are recorded from a client of ours. Hostile peers send mutations of them at full
speed, each at times with a session of its own, while a good client goes on running episodes, whose
results must be the right ones. What is reported of each kind of server: how many messages a second
it was sent, and how much memory it grew by.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgpack
import zmq
from peers import PING, RawPeer
from servers import PythonProcess, ServerProcess
from targets import KINDS, record


class Report(NamedTuple):
    """What came of it.

    Attributes:
        sent: Messages.
        seconds: How long that took.
        grown: Bytes by which the server's memory grew after the first fifth.
        memory: Its memory at the end.
        runs: How often the good client played meanwhile, with the right results.
        replies: How often each kind of reply was seen.
        stderr: What the server said.
    """

    sent: int
    seconds: float
    grown: int
    memory: int
    runs: int
    replies: Dict[str, int]
    stderr: str


def fuzz(name: str, frames: int, seed: int, folder: Path) -> Report:
    """Attack a new server of some kind, and play with it meanwhile.

    Args:
        name: Of the kind.
        frames: How many messages to send.
        seed: Of what is random.
        folder: For the recorded messages.

    Raises:
        AssertionError: The good client's results were wrong, or the server is gone.
        Exception: Whatever its calls raise.
    """
    kind = KINDS[name]
    server = ServerProcess(**kind.server)
    attacker = None
    try:
        expected = kind.play(server.address)
        corpus = folder / "corpus"
        corpus.write_bytes(msgpack.packb(record(kind, server.address)))
        started = time.monotonic()
        arguments = (server.address, str(corpus), str(frames), str(seed))
        attacker = PythonProcess("fuzzing/attack.py", *arguments)
        runs, warm, lines = 0, 0, iter(attacker.read_line, "")
        assert attacker.process.stdout is not None
        for what in ("warm", "done"):
            reader = zmq.Poller()
            reader.register(attacker.process.stdout, zmq.POLLIN)
            while not reader.poll(0):
                assert kind.play(server.address) == expected
                runs += 1
            said, _, text = next(lines).partition(" ")
            assert said == what, said
            if what == "warm":
                warm = server.memory
        seconds = time.monotonic() - started
        assert kind.play(server.address) == expected
        with RawPeer(server.address) as peer:
            assert peer.ask(PING, 1, b"", None)[3] == 0
        assert server.process.poll() is None
        memory = server.memory
        return Report(frames, seconds, memory - warm, memory, runs, json.loads(text), server.stderr)
    except BaseException:
        status, said = server.process.poll(), server.stderr[-5000:]
        print(f"{name}: exit status {status}, stderr:\n{said}", file=sys.stderr, flush=True)
        raise
    finally:
        if attacker is not None:
            attacker.close()
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.kinds or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            report = fuzz(name, options.frames, options.seed, Path(folder))
        print(
            f"{name}: {report.sent} messages in {report.seconds:.0f} s"
            f" ({report.sent / report.seconds:.0f}/s), {report.runs} runs of a good client,"
            f" memory {report.memory / 2**20:.0f} MiB, grown by {report.grown / 2**20:.1f} MiB;"
            f" replies {dict(sorted(report.replies.items()))}; stderr {len(report.stderr)} bytes",
            flush=True,
        )
        if "Traceback" in report.stderr:
            sys.exit(f"{name}: the server shows a traceback:\n{report.stderr}")


if __name__ == "__main__":
    main()
