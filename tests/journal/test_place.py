from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hamn_flow.errors import JournalUnusable, Refused
from hamn_flow.journal import Journal, default_path, place, read, refuse_on
from hamn_flow.model.events import RunPlanned

Driving = Callable[[], AbstractContextManager[Journal]]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_its_owner_may_read_the_journal_from_the_start(
    umask: int,
    path: Path,
    driving: Driving,
    planned: Callable[[str], RunPlanned],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("it was open to others before"))
    before = os.umask(umask)
    try:
        with driving() as journal:
            journal.record(planned("r1"))
            files = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert files == dict.fromkeys(["journal.db", "journal.db-shm", "journal.db-wal", "journal.db.lock"], 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_journal_that_others_may_read_is_closed_to_them(path: Path, driving: Driving) -> None:
    with driving():
        pass
    path.chmod(0o644)
    with driving():
        assert path.stat().st_mode & 0o777 == 0o600


def test_opening_once_more_in_one_process_leaves_sqlites_locks_alone(path: Path, driving: Driving) -> None:
    locks = Path("/proc/locks")
    if not locks.exists():
        pytest.skip("no /proc/locks here")

    def held() -> list[str]:
        inode = f":{path.stat().st_ino} "
        words = (line.split(maxsplit=1)[1] for line in locks.read_text().splitlines() if inode in line)
        return [line for line in words if f" {os.getpid()} " in line]

    with driving():
        before = held()
        assert before
        with read(path) as reader:
            reader.runs()
        place.make_file(path)
        assert place.exists(path)
        assert held() == before


def test_the_default_place_depends_on_the_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_path() == Path("/var/lib/hamn-flow/journal.db")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_path() == tmp_path / "state" / "hamn-flow" / "journal.db"
    place.make_directory(default_path())
    assert (tmp_path / "state" / "hamn-flow").stat().st_mode & 0o777 == 0o700


def test_a_journal_on_what_the_run_unmounts_is_refused(tmp_path: Path) -> None:
    install = tmp_path / "install"
    install.mkdir()
    (tmp_path / "link").symlink_to(install)
    for path in (install / "journal.db", install / "deep" / "journal.db", tmp_path / "link" / "journal.db"):
        with pytest.raises(Refused, match="which this run unmounts") as refusal:
            refuse_on(path, ("/etc/xcat", str(install)))
        assert str(install) in refusal.value.sentence
    for path in (tmp_path / "journal.db", tmp_path / "installed" / "journal.db"):
        refuse_on(path, ("/etc/xcat", str(install)))


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0,
    reason="mounting a small file system needs root",
)
def test_a_journal_on_a_device_that_the_run_unmounts_is_refused_under_any_name(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    prepare = (
        'cd "$1" && mkdir shared own && mount -t tmpfs none shared && mkdir shared/state && '
        'mount --bind shared/state own && shift && exec "$@"'
    )
    inside = ("unshare", "--mount", "sh", "-c", prepare, "sh", str(tmp_path))
    journal, shared = tmp_path / "own" / "journal.db", tmp_path / "shared"
    said = spawn("refuse", journal, shared, before=inside).communicate()[0]
    assert said == f"the journal {journal} lies on {shared}, which this run unmounts\n"
    assert spawn("refuse", journal, shared).communicate()[0] == "fine\n"


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / {0} rw - {1} server:/export rw
31 22 0:41 / {0}/elsewhere rw - nfs4 server:/other rw
"""


@pytest.mark.parametrize(
    ("kind", "sound"),
    [("nfs", False), ("nfs4", False), ("cifs", False), ("fuse.sshfs", False), ("ocfs2", False), ("xfs", True)],
)
def test_a_journal_on_a_network_file_system_is_refused(kind: str, tmp_path: Path, *, sound: bool) -> None:
    directory = tmp_path / "a b"
    directory.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(str(directory).replace(" ", "\\040"), kind))
    if sound:
        place.refuse_remote(directory / "journal.db", mounts)
        return
    with pytest.raises(JournalUnusable, match=rf"a network or cluster file system \({kind}\)"):
        place.refuse_remote(directory / "journal.db", mounts)


def test_a_file_that_is_no_journal_is_left_as_it_is(path: Path, driving: Driving) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine\n" * 1000)
    path.chmod(0o644)
    with pytest.raises(JournalUnusable), driving():
        pass
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("mine\n" * 1000, 0o644)


def test_a_pipe_is_no_journal(path: Path, driving: Driving) -> None:
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path, 0o644)
    with pytest.raises(JournalUnusable, match="is no plain file"), driving():
        pass
    assert [name.name for name in path.parent.iterdir()] == [path.name]


def test_a_mount_point_that_this_user_may_not_look_at_is_no_obstacle(tmp_path: Path) -> None:
    """Others than root may not look below /root, and have no journal there either."""
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    program = (
        "import os, sys; from pathlib import Path; from hamn_flow.journal import refuse_on; "
        "os.geteuid() or os.setuid(65534); refuse_on(Path('/tmp/journal.db'), (sys.argv[1],))"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(closed / "inner")], capture_output=True, check=False)
    closed.chmod(0o700)
    assert (ended.returncode, ended.stderr) == (0, b"")
