"""Newer texts of checks on their way to the other processes: best effort, in one call.

Owns nothing but the call: what a text means, and which of two is newer, core knows.
"""

import logging

from registry.errors import LogUnavailable
from registry.log.base import Output
from registry.log.redis.link import CALL_SECONDS, Link, NoAnswer, NotSent, Refused
from registry.log.redis.session import Interrupted, Session

MOST_TEXTS = 65_536  # kept for those that start later

_log = logging.getLogger("registry.store")


async def publish_outputs(session: Session, link: Link, texts: list[Output]) -> None:
    """Publish the texts; what cannot be delivered is dropped, since the log gets them later anyhow."""
    values = [value for one in texts for value in (one.key, one.after, one.text)]
    try:
        await session.standing(CALL_SECONDS)
        await session.call(link, "output", MOST_TEXTS, *values)
    except (Interrupted, Refused, NotSent, NoAnswer, LogUnavailable) as problem:
        _log.debug("%d outputs were not published: %s", len(texts), problem)
