"""What goes wrong in a run: each kind once, with the request that showed it, and how to see it again.

Owns the seed and the size of a run: `FUZZ_REQUESTS` (default 2,000; `make fuzz` takes 20,000) and `FUZZ_SEED`. A
short run always asks the same, a long one something new each time.
"""

import os
import random
import time
from collections import Counter

from tests.fuzz.wire import Answer

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
SHORT_RUN = 2000
SEED = os.environ.get("FUZZ_SEED") or ("1" if REQUESTS <= SHORT_RUN else str(random.SystemRandom().randrange(10**6)))
SHOWN = 12  # of the kinds of a run
KIND_CHARACTERS = 60  # by which kinds are told apart
LONG_BYTES = 3000  # from which on a request is shown in part


class Findings:
    """The findings of one test, and what it counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._begun = time.perf_counter()

    def add(self, kind: str, sent: bytes = b"", *answers: Answer | None, where: str = "") -> None:
        """Note that something is wrong."""
        short = kind[:KIND_CHARACTERS]
        self.kinds[short] += 1
        told = "".join(f"\n    -> {_told(answer)}" for answer in answers)
        self._first.setdefault(short, f"{where} {kind}\n    {_shortened(sent)}{told}")

    def figures(self, what: str) -> str:
        """What the run came to, in a line."""
        seconds = time.perf_counter() - self._begun
        counts = ", ".join(f"{count:,} x {name}" for name, count in sorted(self.counts.items()))
        return f"{what} in {seconds:.1f} s ({counts}), {self.kinds.total()} wrong (FUZZ_SEED={SEED})"

    def __str__(self) -> str:
        shown = [f"{count} x {self._first[kind]}" for kind, count in self.kinds.most_common(SHOWN)]
        return "\n".join([f"FUZZ_SEED={SEED} FUZZ_REQUESTS={REQUESTS}", *shown])


def _shortened(data: bytes) -> str:
    if len(data) < LONG_BYTES:
        return repr(data)
    return f"{data[: LONG_BYTES // 2]!r} ... {data[-LONG_BYTES // 3 :]!r} ({len(data)} bytes)"


def _told(answer: Answer | None) -> str:
    return "nothing" if answer is None else f"{answer.status} {answer.headers} {_shortened(answer.body)}"
