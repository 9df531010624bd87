"""Look-ups in the fr0g shape. What a look-up of everything says is encoded once for each change.

Owns which records are shown: all but the registry itself and proxies (dialects.md §8.6). Source: dialects.md §6.3.
"""

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from registry.api.agents import newest_wanted
from registry.api.call import Call
from registry.api.dialects.fr0g.routes import endpoint
from registry.api.dialects.fr0g.wire import check_results, health_of, passing_entry, service_info
from registry.api.reply import Reply
from registry.api.rest import json_reply
from registry.core.engine import Engine
from registry.errors import NotFound
from registry.model.check import PASSING
from registry.model.record import Record

# How old the `last_seen` of a look-up of everything may be: so long for each instance that it shows, as telling them
# all again costs a fraction of that, and at most so long.
FRESH_SECONDS_EACH, FRESH_SECONDS = 0.0001, 1.0

# engine → the look-up of everything, the index it is of, and until when it may be given out
_everything: WeakKeyDictionary[Engine, tuple[Reply, int, float]] = WeakKeyDictionary()


@endpoint("GET", "/v1/catalog/services", source="dialects.md §6.3")
async def services(call: Call) -> Reply:
    """Every instance by its id."""
    await newest_wanted(call)
    engine = call.engine
    index, now = engine.state.applied, engine.clock.elapsed()
    kept = _everything.get(engine)
    if kept is not None and kept[1] == index and now < kept[2]:
        return Reply(body=kept[0].body, content_type=kept[0].content_type)
    records = engine.state.records()
    reply = await _by_id(call, records)
    _everything[engine] = (reply, index, now + min(FRESH_SECONDS_EACH * len(records), FRESH_SECONDS))
    return Reply(body=reply.body, content_type=reply.content_type)


@endpoint("GET", "/v1/catalog/service/{name}", source="dialects.md §6.3")
async def instances(call: Call) -> Reply:
    """The instances of one name, maybe none."""
    await newest_wanted(call)
    records = call.engine.state.records_of_type(call.argument)
    seen = await call.engine.agents.last_seen(records)
    return json_reply([service_info(record, at) for record, at in zip(records, seen, strict=True)])


@endpoint("GET", "/v1/health/service/{name}", source="dialects.md §6.3")
async def health(call: Call) -> Reply:
    """The health of the instance of this id, else of the instances of this name; with `passing` as Consul frames it.

    Errors: NotFound `health-target`.
    """
    await newest_wanted(call)
    state, wanted = call.engine.state, call.argument
    if "passing" in call.query:
        passing = [record for record in state.records_of_type(wanted) if health_of(record) == PASSING]
        seen = await call.engine.agents.last_seen(passing)
        return json_reply([passing_entry(record, at) for record, at in zip(passing, seen, strict=True)])
    record = state.record(wanted)
    if record is not None:
        (at,) = await call.engine.agents.last_seen([record])
        return json_reply({"checks": check_results(record), "service": service_info(record, at)})
    records = state.records_of_type(wanted)
    if not records:
        raise NotFound("health-target", id=wanted)
    return await _by_id(call, records)


async def _by_id(call: Call, records: Iterable[Record]) -> Reply:
    shown = list(records)
    seen = await call.engine.agents.last_seen(shown)
    infos = zip(shown, seen, strict=True)
    return json_reply({record.id: service_info(record, at, with_status=True) for record, at in infos})
