"""The shape of cluster.toml: its keys, their types, their defaults, and an example of each.

The keys are the fields of hamn_flow.model.pair, so that a plan and the journal use the words of the file.
What a value means, and how values go together, is looked at in hamn_flow.cluster.checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hamn_flow.cluster import services
from hamn_flow.cluster.problem import Mistake, Where, dotted, listed, nearest, shown
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import (
    Cluster,
    Database,
    Engine,
    Features,
    FileSystem,
    NodeSpec,
    OnBusy,
    Policy,
    Service,
    Ssh,
    VirtualIp,
)

Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of the file: no other keys, no conversions (`prefix = "24"` is a mistake)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SshTable(Table):
    """How a node is reached."""

    host: str = Ssh.host
    port: int = Field(default=Ssh.port, ge=1, le=65535)
    user: str = Ssh.user
    identity_file: str = Ssh.identity_file
    sudo: bool = Ssh.sudo
    local: bool = Ssh.local


class NodeTable(Table):
    """One of the two management nodes."""

    name: str
    address: str
    ssh: SshTable = SshTable()


class VirtualIpTable(Table):
    """The address that follows the role."""

    address: str
    prefix: int = Field(ge=1, le=30)
    interface: str
    host_name: str


class FileSystemTable(Table):
    """A shared file system."""

    mount_point: str
    source: str
    # those whose release a node proves by /sys/fs/ext4 or /sys/fs/xfs; the kernel's ext4 serves ext3 too
    type: Literal["ext4", "xfs", "ext3"] = "ext4"
    options: str = FileSystem.options


class DatabaseTable(Table):
    """xCAT's database."""

    engine: Annotated[Engine, Field(strict=False)]
    data_directory: str = Database.data_directory
    unit: str = Database.unit


class ServiceTable(Table):
    """A service: a known name, or a table that describes one of the site's own or changes a known one."""

    name: str
    unit: str | None = None
    ports: list[str] | None = None
    titles: list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    def value(self) -> Service:
        """What is known of the service, with what the file says otherwise."""
        known = services.KNOWN.get(self.name, Service(name=self.name, units=()))
        return Service(
            name=self.name,
            units=known.units if self.unit is None else (self.unit,),
            ports=known.ports if self.ports is None else tuple(self.ports),
            titles=known.titles if self.titles is None else tuple(self.titles),
        )


class FeaturesTable(Table):
    """What the site uses; what is not said follows from the services, or is usual."""

    nfs: bool | None = None
    dns: bool | None = None
    dhcp: Literal["isc", "kea", "none"] | None = None
    console: Literal["conserver", "goconserver", "none"] | None = None
    set_host_name: bool = Features.set_host_name
    resolver: bool | None = None

    def value(self, names: set[str] | None) -> Features:
        """The features, where `names` are the services that the file lists, None if it lists none."""

        def usual(feature: str, default: str) -> str:
            if names is None:
                return default
            needs = services.OF_FEATURE[feature]
            return next((str(value) for value, name in needs.items() if name in names), "none")

        dhcp = self.dhcp or usual("dhcp", Features.dhcp)
        console = self.console or usual("console", Features.console)
        nfs = (names is None or "nfs" in names) if self.nfs is None else self.nfs
        dns = (names is None or "named" in names) if self.dns is None else self.dns
        return Features(
            nfs=nfs,
            dns=dns,
            dhcp="" if dhcp == "none" else dhcp,
            console="" if console == "none" else console,
            set_host_name=self.set_host_name,
            resolver=dns if self.resolver is None else self.resolver,
        )


class PolicyTable(Table):
    """What the operator may change while a run waits."""

    on_busy: Annotated[OnBusy, Field(strict=False)] = Policy.on_busy
    attempts: int = Field(default=Policy.attempts, ge=1, le=100)
    first_wait: Seconds = Policy.first_wait
    longest_wait: Seconds = Policy.longest_wait
    clock_skew: Seconds = Policy.clock_skew
    reconnect: Seconds = Policy.reconnect
    deadline_factor: float = Field(default=Policy.deadline_factor, ge=0.1, le=100, allow_inf_nan=False)


class ClusterTable(Table):
    """The whole file."""

    name: str
    nodes: list[NodeTable]
    virtual_ip: VirtualIpTable
    file_systems: list[FileSystemTable]
    database: DatabaseTable
    services: list[ServiceTable] | None = None
    features: FeaturesTable = FeaturesTable()
    policy: PolicyTable = PolicyTable()

    def value(self, path: Path) -> Cluster:
        """The plain value; to be asked for only after the checks found nothing."""
        first, second = (
            NodeSpec(name=NodeName(node.name), address=node.address, ssh=Ssh(**node.ssh.model_dump()))
            for node in self.nodes
        )
        listed_names = None if self.services is None else {service.name for service in self.services}
        features = self.features.value(listed_names)
        return Cluster(
            name=self.name,
            nodes=(first, second),
            virtual_ip=VirtualIp(**self.virtual_ip.model_dump()),
            file_systems=outer_first(tuple(FileSystem(**each.model_dump()) for each in self.file_systems)),
            database=Database(**self.database.model_dump()),
            services=services.of(features)
            if self.services is None
            else tuple(service.value() for service in self.services),
            features=features,
            policy=Policy(**self.policy.model_dump()),
            path=path,
        )


TABLES: dict[str, type[Table]] = {
    "": ClusterTable,
    "nodes": NodeTable,
    "nodes.ssh": SshTable,
    "virtual_ip": VirtualIpTable,
    "file_systems": FileSystemTable,
    "database": DatabaseTable,
    "services": ServiceTable,
    "features": FeaturesTable,
    "policy": PolicyTable,
}

EXAMPLES: dict[str, str] = {
    "name": '"lab"',
    "nodes": '[{ name = "mn1", address = "10.97.0.11" }, { name = "mn2", address = "10.97.0.12" }]',
    "nodes.name": '"mn1"',
    "nodes.address": '"10.97.0.11"',
    "nodes.ssh": '{ user = "admin", sudo = true }',
    "nodes.ssh.host": '"mn1.example.org"',
    "nodes.ssh.port": "22",
    "nodes.ssh.user": '"root"',
    "nodes.ssh.identity_file": '"~/.ssh/id_ed25519"',
    "nodes.ssh.sudo": "true",
    "nodes.ssh.local": "true",
    "virtual_ip": '{ address = "10.97.0.100", prefix = 24, interface = "eth0", host_name = "mn" }',
    "virtual_ip.address": '"10.97.0.100"',
    "virtual_ip.prefix": "24",
    "virtual_ip.interface": '"eth0"',
    "virtual_ip.host_name": '"mn"',
    "file_systems": '[{ mount_point = "/etc/xcat", source = "UUID=3e6be9de-8139-4f2c-9106-a43f08d823a6" }]',
    "file_systems.mount_point": '"/etc/xcat"',
    "file_systems.source": '"UUID=3e6be9de-8139-4f2c-9106-a43f08d823a6"',
    "file_systems.type": '"ext4"',
    "file_systems.options": '"rw,noatime"',
    "database": '{ engine = "postgresql", data_directory = "/var/lib/pgsql/data" }',
    "database.engine": '"postgresql"',
    "database.data_directory": '"/var/lib/pgsql/data"',
    "database.unit": '"postgresql"',
    "services": '["nfs", "named", "xcatd", "httpd", "dhcp", "conserver"]',
    "services.name": '"gpfs"',
    "services.unit": '"gpfs"',
    "services.ports": '["tcp/1191"]',
    "services.titles": '["/usr/lpp/mmfs/bin/mmfsd"]',
    "features": '{ dhcp = "kea", console = "goconserver" }',
    "features.nfs": "true",
    "features.dns": "true",
    "features.dhcp": '"isc"',
    "features.console": '"conserver"',
    "features.set_host_name": "false",
    "features.resolver": "true",
    "policy": '{ on_busy = "terminate" }',
    "policy.on_busy": '"wait"',
    "policy.attempts": "3",
    "policy.first_wait": "1.0",
    "policy.longest_wait": "15.0",
    "policy.clock_skew": "5.0",
    "policy.reconnect": "60.0",
    "policy.deadline_factor": "1.0",
}

_KINDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a table",
}

_HINTS = {
    "virtual_ip.prefix": "Write prefix = 24 for the netmask 255.255.255.0, prefix = 26 for 255.255.255.192.",
    "database.engine": "Write engine as lsxcatd -d shows it on the active node: postgresql for Pg, sqlite for SQLite.",
    "file_systems.type": "Make the shared file system an ext4 or xfs one: a node can prove that it let go of these.",
}


def shape(tree: Mapping[str, object]) -> ClusterTable | tuple[Mistake, ...]:
    """The file as tables, or all that is wrong with its keys and types."""
    try:
        return ClusterTable.model_validate(tree)
    except ValidationError as error:
        return tuple(_mistake(each) for each in error.errors(include_url=False))


def outer_first(file_systems: tuple[FileSystem, ...]) -> tuple[FileSystem, ...]:
    """In the file's order, but with each file system after those that its mount point lies on."""

    def place(outer: FileSystem) -> tuple[int, int]:
        on_it = (
            n for n, inner in enumerate(file_systems) if f"{inner.mount_point}/".startswith(f"{outer.mount_point}/")
        )
        return min(on_it), outer.mount_point.count("/")

    return tuple(sorted(file_systems, key=place))


def _mistake(error: Mapping[str, Any]) -> Mistake:
    where: Where = tuple(error["loc"])
    name = dotted(where)
    key = name.rpartition(".")[2]
    context = error.get("ctx", {})
    hint = _HINTS.get(name) or f"Write {key} = {EXAMPLES.get(name, '...')}, for example."
    match error["type"]:
        case "missing":
            return Mistake(
                where=where, sentence=f"{name} is missing", hint=f"Write {key} = {EXAMPLES[name]}, for example."
            )
        case "extra_forbidden":
            return Mistake(where=where, sentence=f"unknown key {name}", hint=_known_keys(where))
        case "literal_error" | "enum":
            must, near = f"be {context['expected']}", _near(error["input"], context["expected"])
            hint = f'Write {key} = "{near}".' if near else hint
        case "greater_than_equal":
            must = f"be at least {shown(context['ge'])}"
        case "less_than_equal":
            must = f"be at most {shown(context['le'])}"
        case kind:
            must = f"be {_KINDS[kind]}"
    return Mistake(where=where, sentence=f"{name} must {must}, not {shown(error['input'])}", hint=hint)


def _near(value: object, expected: str) -> str:
    """The nearest of the values that pydantic names as `'a', 'b' or 'c'`."""
    return nearest(value, expected.split("'")[1::2]) if isinstance(value, str) else ""


def _known_keys(where: Where) -> str:
    known = list(TABLES[dotted(where[:-1])].model_fields)
    near = nearest(str(where[-1]), known)
    return (
        f"Write {near} instead, or remove the line." if near else f"Write one of {listed(known)}, or remove the line."
    )
