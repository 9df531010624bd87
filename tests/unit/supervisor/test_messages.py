"""The line between parent and worker: messages whole, in pieces, too large, and to who does not read."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import LogError, LogUnavailable, SettingsError
from registry.supervisor.channel import Channel
from registry.supervisor.messages import (
    LARGEST_BYTES,
    Answer,
    Ask,
    Failure,
    Frames,
    Leave,
    Message,
    Ready,
    Said,
    Stop,
    Told,
    Watch,
    framed,
)

ALL: list[Message] = [
    Ready(), Leave(), Stop(), Ask(1, "report", b"x"), Answer(2, b"y", Failure("no", "node")),
    Told(3, (b"a", b""), (b"b",), 1, 2, Failure("why")), Watch(20), Said(b"event"),
]  # fmt: skip


@given(st.integers(1, 200))
def test_messages_come_out_as_they_went_in_however_they_are_cut(size: int) -> None:
    data, frames, found = b"".join(map(framed, ALL)), Frames(), []
    for start in range(0, len(data), size):
        found += frames.feed(data[start : start + size])
    assert found == ALL


@pytest.mark.parametrize(
    "data", [(LARGEST_BYTES + 1).to_bytes(4, "big"), b"\0\0\0\1\xc1", framed(Ready())[:4] + b"?" * 9]
)
def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Frames().feed(data)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (SettingsError("node", "is wrong"), SettingsError, "node: is wrong"),
        (LogUnavailable("away"), LogError, "away"),
        (OSError("cannot listen"), LogError, "cannot listen"),
        (LogError("x" * 10_000), LogError, "x" * 500),
    ],
)
def test_a_failure_is_raised_again_elsewhere_in_the_same_words(error: Exception, kind: type, text: str) -> None:
    again = Failure.of(error).error
    assert type(again) is kind
    assert str(again) == text


def test_who_does_not_read_loses_events_but_is_still_told_to_stop() -> None:
    ours, theirs = socket.socketpair()
    channel, frames = Channel(ours), Frames()
    with ours, theirs:
        for _ in range(3000):
            channel.send(Said(b"x" * 1000))
        channel.send(Stop())
        assert channel.waits
        theirs.setblocking(False)
        found: list[Message] = []
        while not found or found[-1] != Stop():
            found += frames.feed(theirs.recv(1 << 20))
            channel.flush()
    assert 100 < len(found) < 3000
    assert not channel.waits


def test_the_end_of_the_line_is_seen() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    assert channel.received() == []
    theirs.close()
    assert channel.received() is None
    channel.send(Stop())  # into the void: no error
    channel.close()
