"""A lab's name, its places on the machine, its addresses and its shared file systems."""

from __future__ import annotations

import os
import re
import shlex
import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from hamn_flow.errors import Refused

MN1, MN2 = NODES = ("mn1", "mn2")
ADDRESSES = {MN1: "10.97.0.11", MN2: "10.97.0.12"}
VIRTUAL_IP = "10.97.0.100"
CONTROL = "10.97.0.1"  # the side that `lab run` executes on
PREFIX = 24
HOSTS = {VIRTUAL_IP: "mn", **{address: name for name, address in ADDRESSES.items()}, "10.97.0.21": "cn1"}
DOMAIN = "lab"
COMPUTE_NODE, HARDWARE_ADDRESS = "cn1", "aa:bb:cc:dd:ee:01"

_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")
SPECIAL = frozenset(",:\\ \t\n")  # to the options of an overlay
_FAMILY = uuid.UUID("6f1c9d52-3a0e-4b87-9c41-d3b7e5a80f26")


@dataclass(frozen=True, kw_only=True)
class SharedFileSystem:
    """One of the file systems on the shared disk."""

    label: str
    mount_point: str
    megabytes: int
    number: int  # of its partition

    def uuid(self, lab: Lab) -> str:
        """The same each time for a lab in that place, so that it need not be recorded."""
        return str(uuid.uuid5(_FAMILY, f"{lab.place}/{self.label}"))


FILE_SYSTEMS = (
    SharedFileSystem(label="xcat", mount_point="/etc/xcat", megabytes=32, number=1),
    SharedFileSystem(label="install", mount_point="/install", megabytes=48, number=2),
    SharedFileSystem(label="rootxcat", mount_point="/root/.xcat", megabytes=16, number=3),
    SharedFileSystem(label="postgres", mount_point="/var/lib/postgresql", megabytes=208, number=4),
    SharedFileSystem(label="tftpboot", mount_point="/tftpboot", megabytes=32, number=5),
)


def labelled(label: str) -> SharedFileSystem:
    """The shared file system with that label."""
    return next(each for each in FILE_SYSTEMS if each.label == label)


def default_directory() -> Path:
    """The folder of labs: HAMN_FLOW_LABS, or /var/lib/hamn-flow/labs."""
    return Path(os.environ.get("HAMN_FLOW_LABS") or "/var/lib/hamn-flow/labs")


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab by its name and the folder of labs; all that it leaves on disk lies in `place`.

    Refused if the name would not do as part of a namespace's or a host's name.
    """

    name: str = "lab"
    directory: Path = field(default_factory=default_directory)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Refused(
                f"{self.name!r} cannot be a lab's name",
                hint="Choose at most eight lower-case letters and digits that begin with a letter.",
            )
        if SPECIAL.intersection(str(self.directory)):
            raise Refused(
                f"the folder of labs {str(self.directory)!r} has a comma, a colon, a backslash or a space in its name",
                hint="Name another one by --directory.",
            )

    def typed(self, verb: str, rest: str = "") -> str:
        """A command on this lab, as a person types it."""
        chosen = "" if self.name == Lab.name else f" --name {self.name}"
        if self.directory.resolve() != default_directory().resolve():
            chosen += f" --directory {shlex.quote(str(self.directory))}"
        return f"hamn-flow lab {verb}{chosen} {rest}".rstrip()

    @property
    def place(self) -> Path:
        """The lab's own folder."""
        return self.directory.resolve() / self.name

    @property
    def image(self) -> Path:
        """The shared disk."""
        return self.place / "disk.img"

    @property
    def home(self) -> Path:
        """The home folder of the controlling side."""
        return self.place / "home"

    @property
    def key(self) -> Path:
        """The private key with which the controlling side logs in on both hosts."""
        return self.home / ".ssh" / "id_ed25519"

    @property
    def cluster_file(self) -> Path:
        """The pair's cluster.toml."""
        return self.place / "cluster.toml"

    @property
    def journal(self) -> Path:
        """The journal that commands on the controlling side use."""
        return self.place / "journal.db"

    @property
    def complete(self) -> Path:
        """The file that is written when `up` has come to its end; what `up` was told, as JSON."""
        return self.place / "up.json"

    @property
    def family(self) -> str:
        """How the names begin that the kernel knows of it: labs of one name in two folders do not meet either."""
        return f"hf-{self.name}-{sha256(os.fsencode(self.place)).hexdigest()[:6]}"

    @property
    def network(self) -> str:
        """The namespace of the bridge and of the controlling side."""
        return f"{self.family}-net"

    def host(self, node: str) -> str:
        """The name of a host's namespace and control group."""
        return f"{self.family}-{node}"

    def folder(self, node: str) -> Path:
        """What belongs to one host: its own disk (`upper`), its console, its loop device's name."""
        return self.place / node

    @property
    def begun(self) -> bool:
        """Whether an `up` has begun here, and nothing has taken it down to the end since."""
        return any(self.folder(node).exists() for node in NODES)
