"""Host keys: shown with their fingerprints, asked about, recorded."""

from __future__ import annotations

from hamn_flow.cli.paper import Paper
from hamn_flow.cli.settings import Settings
from hamn_flow.report.line import Line, Span, Tone, line
from hamn_flow.transport.here import Here, own_known_hosts
from hamn_flow.transport.trust import HostKey, Standing, fetch, record

_TONES = {Standing.KNOWN: Tone.GOOD, Standing.UNKNOWN: Tone.WARN, Standing.CHANGED: Tone.BAD}


def trust(settings: Settings, *, replace: bool, yes: bool, as_json: bool) -> None:
    """Show the nodes' host keys and record those that are not known; a changed one only where it is to be replaced."""
    paper, path = Paper.of(as_json=as_json), own_known_hosts()
    keys = [fetch(node, Here()) for node in settings.cluster().nodes if not node.ssh.local]
    new = [key for key in keys if key.standing is not Standing.KNOWN]
    new.sort(key=lambda key: key.standing is not Standing.CHANGED)  # what is refused is refused before anything is kept
    paper.tell(_line(key) for key in keys)
    if any(key.standing is Standing.UNKNOWN or replace for key in new):
        paper.tell([line("Compare each with what `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` prints on that node.")])
        paper.ask(f"Record them in {path}?", yes=yes)
    for key in new:
        record(key, path, replace=replace)
    said = f"{len(new)} recorded in {path}." if new else "All of them are known."
    paper.result([line(said)], {"known_hosts": str(path), "keys": [_data(key) for key in keys]})


def _line(key: HostKey) -> Line:
    standing = Span(f"{key.standing.value:<9}", _TONES[key.standing])
    return line(Span(f"{key.node}  ", Tone.HEAD), standing, f"{key.kind} {key.fingerprint}  ({key.name})")


def _data(key: HostKey) -> dict[str, str]:
    return {
        "node": key.node,
        "name": key.name,
        "kind": key.kind,
        "fingerprint": key.fingerprint,
        "was": key.standing.value,
    }
