"""The errors that hamn-flow raises, and the exit status each ends in.

    HamnError                       any of ours; the command line prints it, all others are bugs (1)
    ├── StepFailed              3   a step failed; the run waits and can be resumed
    ├── RolledBack              4   a start that ended rolled back
    ├── Refused                 5   refused before anything was touched
    │   └── UntrustedHost       5   a node's host key is not known, or is not the one that is known
    ├── Busy                    6   another driver holds this journal or this pair
    │   └── StaleDriver         6   the node says that another driver took the run over
    ├── Unreachable             7   a node does not answer
    │   ├── LookFailed          7   a look came to nothing, though its node answers
    │   └── OutcomeUnknown      7   the answer to a command that changes something was lost
    │       └── Rebooted        7   a node was rebooted under the run
    ├── Invalid                 8   the cluster file or a procedure file has mistakes
    │   └── Changed             8   an unfinished step's class is gone or has another version
    ├── RollbackFailed          9   an undo failed; the run waits
    ├── JournalUnusable        10   the journal cannot be read or written
    └── Interrupted           130   Ctrl-C between two commands; the run can be resumed

A sentence is lower case, names its reason and has no full stop. The hint is a whole sentence that says
what to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class HamnError(Exception):
    """An error with a sentence for a person and, where there is one, a hint what to type."""

    exit_status: ClassVar[int] = 1

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.run = ""  # the run that waits for this reason, where there is one
        self.shown_by: Mapping[str, Any] = {}  # the result that shows it: one JSON document has both


class StepFailed(HamnError):
    """A step failed or waits for a person; what was done is kept, the run can be resumed."""

    exit_status = 3


class RolledBack(HamnError):
    """A start that ended with the world as it was before."""

    exit_status = 4


class Refused(HamnError):
    """Refused before anything was touched."""

    exit_status = 5


class UntrustedHost(Refused):
    """The host key that a node shows is not known, or is not the one that is known."""


class Busy(HamnError):
    """Another driver is at work; the sentence names it."""

    exit_status = 6


class StaleDriver(Busy):
    """The node refused a launch: its generation belongs to another driver."""


class Unreachable(HamnError):
    """A node does not answer, or its link was lost."""

    exit_status = 7


class LookFailed(Unreachable):
    """A look came to nothing, though its node answers: it did not end in time, or could not be carried out."""


class OutcomeUnknown(Unreachable):
    """A command that changes something was sent, and whether it took effect is not known."""


class Rebooted(OutcomeUnknown):
    """A node was rebooted while the run was under way; a resume looks at everything again."""


class Invalid(HamnError):
    """A file that a person wrote has mistakes; all of them are listed."""

    exit_status = 8

    def __init__(self, problems: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class Changed(Invalid):
    """A recorded step can no longer be built from today's code."""


class RollbackFailed(HamnError):
    """An undo failed; what was undone so far is kept, `rollback` goes on."""

    exit_status = 9


class JournalUnusable(HamnError):
    """The journal cannot be read or written; committed steps are kept."""

    exit_status = 10


class Interrupted(HamnError):
    """Stopped between two commands by Ctrl-C; the run can be resumed."""

    exit_status = 130
