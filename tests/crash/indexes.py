"""The indexes that clients have seen: none may ever be lower than what was seen before on the same path.

Owns the highest index of each path. `X-Consul-Index` never goes back, neither while the server runs nor over a
crash (`DESIGN.md` §2; common.md §8).
"""

from tests.fuzz.wire import Answer, Connection


def index_of(answer: Answer) -> int:
    """The index an answer carries."""
    assert answer.status == 200, answer
    return int(answer.headers["x-consul-index"])


class Indexes:
    """The highest index seen on each path, by whichever client."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self.problems: list[str] = []

    @property
    def highest(self) -> int:
        """The highest index ever seen."""
        return max(self._seen.values(), default=0)

    async def read(self, connection: Connection, path: str, query: str = "") -> Answer:
        """Read the path and note its index; answers overtake each other, so what counts is the time of asking."""
        before = self._seen.get(path, 0)
        answer = await connection.ask("GET", path + query)
        index = index_of(answer)
        if index < before:
            self.problems.append(f"{path}: index {index} after {before}")
        self._seen[path] = max(index, self._seen.get(path, 0))
        return answer

    async def watch(self, connection: Connection, path: str) -> None:
        """Block on the path until it is newer than what was seen there, or for a moment."""
        await self.read(connection, path, f"?index={self._seen.get(path, 1)}&wait=300ms")

    async def audit(self, connection: Connection) -> list[str]:
        """Read every path again after a crash; then one write more must be newer than all that was ever seen."""
        for path in self._seen:
            await self.read(connection, path)
        before = self.highest
        number = str(before)
        body = f'{{"Node":"newest","Address":"10.0.0.1","NodeMeta":{{"n":"{number}"}}}}'
        answer = await connection.ask("PUT", "/v1/catalog/register", body.encode())
        assert answer.status == 200, answer
        after = index_of(await self.read(connection, "/v1/catalog/nodes"))
        if after <= before:
            self.problems.append(f"a new write has index {after}, but {before} was seen before")
        problems, self.problems = self.problems, []
        return problems
