"""Which write each index was given to, as far as readers have seen: none may be given out twice.

Owns what all readers of all replicas have seen over the whole of a test. Every row says who wrote it, most say by
which write; so two rows that differ in that cannot have one `ModifyIndex`. And what a path shows under an index is
always the same, whoever shows it.
"""

import hashlib
from typing import Any

Fact = tuple[str, int]  # an owner, and the number of the write where the row says it


class Given:
    """All that was seen."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._owners: dict[int, str] = {}
        self._numbers: dict[int, int] = {}
        self._bodies: dict[tuple[str, int], bytes] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def body(self, path: str, index: int, body: bytes) -> None:
        """A path showed this under this index."""
        digest = hashlib.blake2b(body, digest_size=12).digest()
        before = self._bodies.setdefault((path, index), digest)
        if before != digest:
            self._bodies[path, index] = digest
            self.problems.append(
                f"{path} has shown two different things under index {index}; the later: {body[:300]!r}"
            )

    def rows(self, answer: Any) -> None:
        """The rows of any list of health/service, health/state, catalog/nodes or of one catalog/node."""
        for row in answer if isinstance(answer, list) else [answer]:
            if "Checks" in row:
                self._service(row["Service"])
                self._node(row["Node"])
                for check in row["Checks"]:
                    self._check(check)
            elif "CheckID" in row:
                self._check(row)
            elif "Services" in row:
                self._node(row["Node"])
                for service in row["Services"].values():
                    self._service(service)
            elif "Meta" in row:
                self._node(row)

    def _node(self, row: dict[str, Any]) -> None:
        if number := (row.get("Meta") or {}).get("n"):
            self._note(row["ModifyIndex"], row["Node"].partition("-")[0], int(number))

    def _service(self, row: dict[str, Any]) -> None:
        if number := (row.get("Meta") or {}).get("n"):
            owner = "shared" if row["Service"] == "shared" else row["ID"].partition("-")[0]
            self._note(row["ModifyIndex"], owner if owner not in "xy" else "", int(number))

    def _check(self, row: dict[str, Any]) -> None:
        owner = row["CheckID"].partition("-")[0] if "-" in row["CheckID"] else row["Node"].partition("-")[0]
        if not row["CheckID"].startswith(("_", "serfHealth")):
            self._note(row["ModifyIndex"], owner, 0)

    def _note(self, index: int, owner: str, number: int) -> None:
        """The owner is empty, or the number 0, where the row does not say it."""
        if owner and self._owners.setdefault(index, owner) != owner:
            self.problems.append(f"index {index} was given to {self._owners[index]} and to {owner}")
        if number and self._numbers.setdefault(index, number) != number:
            self.problems.append(f"index {index} was given to the writes {self._numbers[index]} and {number}")
