"""What one process does for all: expired TTLs and sessions, services critical for too long, the list of members.

Owns the rhythm of a quarter of a second. The log says whether this process is the one (`log.base.Group`). Whether a
TTL has expired is decided while that record is stored, by the record's condition, so a beat that comes in time
always wins. Source: `DESIGN.md` §4; agent.md §8.3 and §8.8.
"""

from functools import partial

from registry.clock import Clock, sleep
from registry.commands import EndSession, RaiseLevel, SetMembers
from registry.commands.codec import MEMBERS_LEVEL
from registry.core import deadlines
from registry.core.beats import Beats
from registry.core.keys import MEMBERS_KEY, check_key, session_key
from registry.core.observer import Observer
from registry.core.topics import Topics
from registry.core.writes import Writes
from registry.errors import LogUnavailable
from registry.log.base import Condition, Due, Log, Peer, Tenure, Tick
from registry.model.check import CRITICAL
from registry.model.member import Member
from registry.state.local_checks import expired_output
from registry.state.store import State

TICK_SECONDS = 0.25
LARGEST_BATCH = 512


class Housekeeping:
    """The housekeeper's work, done while this process is the housekeeper."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        writes: Writes,
        beats: Beats,
        topics: Topics,
        observer: Observer,
        *,
        minimum_seconds: float,
        level: int,
    ) -> None:
        """Args:
        minimum_seconds: lower bound of the limits after which a critical service is removed.
        level: the highest command level that this program understands.
        """
        self._log = log
        self._clock = clock
        self._writes = writes
        self._beats = beats
        self._topics = topics
        self._observer = observer
        self._minimum_seconds = minimum_seconds
        self._level = level
        self._trouble = ""

    @property
    def _state(self) -> State:
        return self._topics.state

    async def begin(self) -> None:
        """Give every TTL its whole period after a start, unless another process is the housekeeper."""
        if self._log.shared:
            await self._look_if_ours()
            return
        if not self._log.group.is_housekeeper():
            return
        await self._rearm()
        if self._state.members:  # the log was a shared one once
            self._writes.submit(SetMembers(()))

    async def run(self) -> None:
        """Do the work every quarter of a second, while it is ours; never returns."""
        while True:
            await sleep(self._clock, TICK_SECONDS)
            await self._look_if_ours()

    async def _look_if_ours(self) -> None:
        if not self._log.group.is_housekeeper():
            return
        try:
            await self._look()
            self._trouble = ""
        except LogUnavailable as error:
            if not self._trouble:  # told once, not four times a second
                self._observer.trouble(f"deadlines: {error}")
            self._trouble = str(error)

    async def _look(self) -> None:
        tick = await self._log.deadlines.tick(LARGEST_BATCH)
        ticked = self._clock.elapsed()
        if not tick.armed_at:
            await self._rearm()
            return
        if tick.due:
            await self._writes.confirm()  # or a process that is behind would miss a new check and drop its deadline
        for due, late_seconds in zip(tick.due, tick.late_seconds, strict=True):
            self._expire(due, ticked - late_seconds)
        self._reap(tick)
        if self._log.shared:
            self._count_members(self._log.group.members())

    async def _rearm(self) -> None:
        """Give every TTL that can still expire its whole period."""
        await self._writes.caught_up(await self._log.deadlines.disarm())
        periods = list(deadlines.full_periods(self._state))
        await self._log.deadlines.rearm(periods)
        if self._log.shared:
            self._observer.rearmed(len(periods))

    def _expire(self, due: Due, passed_at: float) -> None:
        """Expire what passed its deadline at `passed_at` (elapsed), unless a beat comes before that is stored."""
        command = deadlines.expiry_of(self._state, due)
        if isinstance(command, EndSession):
            self._end_session(command, due)
            return
        if self._writes.proposals.touch(check_key(self._state.server.node, command.check_id)):
            return
        check = self._state.local_check(command.check_id)
        proposal = self._writes.submit(command, Condition(due.member, due.score))
        if proposal is None or check is None:
            return
        if check.status != CRITICAL:
            self._writes.when_shown(proposal, self._observer.expired)
            self._writes.time_detection(proposal, "ttl", passed_at)
            return

        def show() -> None:
            # only the text of a check that was critical already is new, and that need not reach the log at once
            newest = self._state.local_check(command.check_id)
            if newest is not None and newest.output == command.last_output:  # else a newer one has come since
                self._beats.lay(command.check_id, expired_output(command.last_output))

        self._writes.when_shown(proposal, show)

    def _end_session(self, command: EndSession, due: Due) -> None:
        """End a session that was not renewed in time, unless a renewal comes before that is stored."""
        if self._writes.proposals.touch(session_key(command.session_id)):
            return
        known = command.session_id in self._state.sessions.rows
        proposal = self._writes.submit(command, Condition(due.member, due.score))
        if proposal is not None and known:
            self._writes.when_shown(proposal, self._observer.session_expired)

    def _reap(self, tick: Tick) -> None:
        for reap in deadlines.reaps(self._state, tick.time, tick.armed_at, self._minimum_seconds):
            if self._writes.proposals.touch(check_key(self._state.server.node, reap.check_id)):
                continue
            if (proposal := self._writes.submit(reap)) is not None:
                self._writes.when_shown(proposal, partial(self._reaped, reap.check_id))

    def _reaped(self, check_id: str) -> None:
        if self._state.local_check(check_id) is None:  # else it had recovered before
            self._observer.reaped()

    def _count_members(self, peers: tuple[Peer, ...]) -> None:
        """Record who is alive, if that has changed; allow newer commands once every member understands them."""
        state, members = self._state, tuple(_member(peer) for peer in peers if peer.about)
        if not members or self._writes.proposals.touch(MEMBERS_KEY):
            return  # looked at again in a moment
        tenure = Tenure(self._log.group.tenure())
        level = min(self._level, *(member.level for member in members))
        if level > state.level and len(members) == len(peers):  # a silent peer may be an older program
            self._writes.submit(RaiseLevel(level), tenure)
        elif state.level >= MEMBERS_LEVEL:
            command = SetMembers(members, self._log.writer)
            if not state.changes_nothing(command):
                self._writes.submit(command, tenure)


def _member(peer: Peer) -> Member:
    """What a peer says about itself; one whose words we cannot read still counts as a member."""
    try:
        return Member.decoded(peer.about)
    except ValueError:
        return Member(peer.writer)
