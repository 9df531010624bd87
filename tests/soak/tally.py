"""What all clients of a soak have asked, and what went wrong.

Owns the counts and the words for the first errors. Who asks is in the other files.
"""

from collections import Counter

SHOWN = 10  # errors that are told in words, of so many characters
CHARACTERS = 600


class Tally:
    """Requests and errors of all clients. What a client breaks off itself is no request."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()  # by kind of client
        self.errors: Counter[str] = Counter()
        self.words: list[str] = []

    def right(self, kind: str) -> None:
        """A request was answered as it ought to be."""
        self.requests[kind] += 1

    def wrong(self, kind: str, words: str) -> None:
        """A request was answered otherwise, or not at all."""
        self.requests[kind] += 1
        self.errors[kind] += 1
        if len(self.words) < SHOWN:
            self.words.append(f"{kind}: {words}"[:CHARACTERS])

    def judge(self, kind: str, as_expected: bool, words: object) -> None:
        """`right` or `wrong`; `words` say what was answered."""
        if as_expected:
            self.right(kind)
        else:
            self.wrong(kind, str(words))

    @property
    def share(self) -> float:
        """How many of all requests went wrong."""
        return sum(self.errors.values()) / max(1, sum(self.requests.values()))

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} by {kind}" for kind, count in self.requests.most_common())
        return f"{sum(self.requests.values()):,} requests ({kinds}), {sum(self.errors.values()):,} went wrong"
