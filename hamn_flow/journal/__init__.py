"""The journal: what runs did and how far they came, in one SQLite file with one writer.

    with drive(path, holder=me, clock=now) as journal:      # Busy if another driver lives
        journal.record(StepBegun(...), CommandLaunched(...))    # one durable commit
    with read(path) as reader:                              # anybody, at any time
        reader.runs(limit=10)

`events` only grows; the other tables are projections of it, updated in the same commit, for `status` to read.
Nothing here imports sqlite-utils before a journal must be migrated, so that reading stays quick.
"""

from hamn_flow.journal.journal import Journal, drive
from hamn_flow.journal.place import default_path, refuse_on
from hamn_flow.journal.reader import Reader, read

__all__ = ["Journal", "Reader", "default_path", "drive", "read", "refuse_on"]
