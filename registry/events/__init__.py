"""What the registry says about itself: structlog events on their way to the log and to those who follow it.

events = Events(level="info", stream=sys.stderr)
events.agent.info("Synced service", service="web-1")
async for chunk in events.listen("debug").chunks(): ...
"""

from registry.events.hub import Events
from registry.events.listeners import Listener
from registry.events.logger import EventLogger
from registry.events.record import LEVELS, Event

__all__ = ["LEVELS", "Event", "EventLogger", "Events", "Listener"]
