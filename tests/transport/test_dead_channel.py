"""A channel whose transport has just ended below it: paramiko says so otherwise than a socket does."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import paramiko
import pytest

from hamn_flow.transport.ssh import _Channel


def test_what_is_sent_into_a_transport_that_has_ended_is_a_lost_link() -> None:
    """Within the moment in which the channel does not know of it yet: a host that lost its power."""
    here, there = socket.socketpair()
    transport = paramiko.Transport(here)
    transport.active = True
    transport.clear_to_send.set()
    channel = paramiko.Channel(1)
    channel._set_transport(transport)
    channel._set_remote_channel(1, 1 << 20, 1 << 15)
    there.close()
    transport.packetizer.close()
    with pytest.raises(EOFError):
        channel.sendall(b"hello")
    with ExitStack() as held:
        held.callback(transport.close)
        stream = _Channel(channel, held.pop_all())
        with pytest.raises(OSError, match="it hung up"):
            stream.send(b"hello")
        stream.close()
