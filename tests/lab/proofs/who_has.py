"""Ask by ARP who has an address, twenty times a second, until standard input ends; print who answered, in order.

Arguments: the interface, our address, the address asked for. Bounded: it ends by itself after ten minutes.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

_EVERY = 0.05  # seconds
_LONGEST = 600.0  # seconds
_ETHERTYPE_ARP = 0x0806
_BROADCAST = b"\xff" * 6


def main(interface: str, own: str, asked: str) -> None:
    """Ask and listen."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE_ARP)) as link:
        link.bind((interface, _ETHERTYPE_ARP))
        hardware = link.getsockname()[4]
        fixed = b"\x00\x01\x08\x00\x06\x04"  # Ethernet and IPv4, and the lengths of their addresses
        request = _BROADCAST + hardware + _ETHERTYPE_ARP.to_bytes(2) + fixed + b"\x00\x01"
        request += hardware + socket.inet_aton(own) + bytes(6) + socket.inet_aton(asked)
        answers: list[str] = []
        due, end = time.monotonic(), time.monotonic() + _LONGEST
        while time.monotonic() < end:
            if time.monotonic() >= due:
                link.send(request)
                due += _EVERY
            ready, _, _ = select.select([link, sys.stdin], [], [], max(0.0, due - time.monotonic()))
            if sys.stdin in ready:
                break
            if link in ready:
                frame = link.recv(1500)
                if frame[20:22] == b"\x00\x02" and frame[28:32] == socket.inet_aton(asked):
                    answers.append(frame[22:28].hex(":"))
    sys.stdout.write(json.dumps(answers))


main(*sys.argv[1:])
