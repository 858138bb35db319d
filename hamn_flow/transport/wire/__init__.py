r"""What the two ends of a launcher's channel say to each other, as plain values and the bytes that they become.

Nothing here reads or writes anything, so the same functions serve the client and the server of a simulated node.

Starting. The client has the node run `Bootstrap.command`: a constant line of Perl that says `READY`, reads exactly
`size` bytes, and runs them only if all came and their sum agrees. (Before READY may stand anything: what a
login shell's start-up files print.) The launcher then sends `Hello` with the id 0, and answers requests.

A frame, both ways, all in ASCII but for the fields' own bytes:

    wait 7 2 15\n                     operation, id, number of fields, number of bytes of all the fields
    4:k7m2,5:60.00,                   each field as its length, a colon, its bytes and a comma
    end 7\n                           acted on only when this, and everything before it, agrees

The operation is the message's class in lower case, its fields are the class's own in their order.
What does not agree ends the conversation: `Bye`, from the launcher, says why.

A node's side in a few lines:

    bootstrap = Bootstrap.parse(command)        # what the SSH server was asked to execute
    send(READY)
    requests = Requests(bootstrap)
    ... for each piece of bytes received:
        for id, request in requests.feed(piece):
            send(encode(id, answer_to(request)))
    ... and send(encode(0, hello)) as soon as requests.started
"""

from hamn_flow.transport.wire.bootstrap import READY, Bootstrap, Replies, Requests
from hamn_flow.transport.wire.coding import LONGEST_COMMAND, LONGEST_KEY, check, decode_reply, decode_request, encode
from hamn_flow.transport.wire.frames import Frame, Frames, Garbled
from hamn_flow.transport.wire.messages import (
    Aside,
    Ask,
    Bye,
    Cancel,
    Claim,
    Copies,
    Ended,
    Failed,
    Fetch,
    Holding,
    Keep,
    Launch,
    Launched,
    Listed,
    Look,
    Output,
    Overdue,
    Ping,
    Pong,
    Reply,
    Request,
    Signalled,
    Stale,
    Standing,
    Vanished,
    Wait,
)

__all__ = [
    "LONGEST_COMMAND",
    "LONGEST_KEY",
    "READY",
    "Aside",
    "Ask",
    "Bootstrap",
    "Bye",
    "Cancel",
    "Claim",
    "Copies",
    "Ended",
    "Failed",
    "Fetch",
    "Frame",
    "Frames",
    "Garbled",
    "Holding",
    "Keep",
    "Launch",
    "Launched",
    "Listed",
    "Look",
    "Output",
    "Overdue",
    "Ping",
    "Pong",
    "Replies",
    "Reply",
    "Request",
    "Requests",
    "Signalled",
    "Stale",
    "Standing",
    "Vanished",
    "Wait",
    "check",
    "decode_reply",
    "decode_request",
    "encode",
]
