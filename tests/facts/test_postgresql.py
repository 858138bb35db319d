"""Which unit serves a PostgreSQL data directory, and how: made-up trees of Debian and EL."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hamn_flow.facts.postgresql import PostgresServer, Server
from tests.facts.machine import perl

DEBIAN_DATA = "/var/lib/postgresql/15/main"
EL_DATA = "/var/lib/pgsql/15/data"
DEBIAN_HBA = """\
# PostgreSQL Client Authentication Configuration File
local   all             postgres                                peer
host    xcatdb          xcatadm         10.97.0.11/32           md5     # mn1, it's the old one
hostssl all             "odd # name"    10.97.0.12 255.255.255.255 scram-sha-256
host    all             all             0.0.0.0/0  ldap ldapserver=ds ldapbindpasswd="hunter2" ldapscheme=ldaps
"""
SYSTEMCTL = """\
#!/bin/sh
case "$1" in
list-unit-files) printf '%s\\n' 'postgresql-15.service disabled disabled' 'postgresql.service disabled disabled' \\
    'postgresql@.service disabled disabled' ;;
show) cat <<'END'
ExecStart={ path=/usr/bin/postmaster ; argv[]=/usr/bin/postmaster -D ${PGDATA} ; ignore_errors=no }
Environment=PGDATA=/var/lib/pgsql/data PG_OOM_ADJUST_VALUE=0
Id=postgresql.service

ExecStart={ path=/usr/pgsql-15/bin/postgres ; argv[]=/usr/pgsql-15/bin/postgres -D ${PGDATA} ; ignore_errors=no }
Environment=PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj PGDATA=/var/lib/pgsql/15/data/
Id=postgresql-15.service
END
;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[str, str], None]:
    def write(path: str, text: str) -> None:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if text.startswith("#!"):
            file.chmod(0o755)

    write("/bin/systemctl", SYSTEMCTL)
    return write


def server(top: Path, data: str) -> Server | None:
    return PostgresServer(data).parse(perl("postgresql.pl", data, str(top), path=str(top / "bin")))


def program(version: str) -> str:
    return f"#!/bin/sh\n[ $1 = --version ] && echo 'postgres (PostgreSQL) {version}'\n"


def test_debian_serves_by_an_instance_whose_configuration_lies_in_etc(
    tmp_path: Path, tree: Callable[[str, str], None]
) -> None:
    tree("/usr/lib/postgresql/15/bin/postgres", program("15.18 (Debian 15.18-0+deb12u1)"))
    tree("/etc/postgresql/13/main/postgresql.conf", "data_directory = '/var/lib/postgresql/13/main'\n")
    tree(
        "/etc/postgresql/15/main/postgresql.conf",
        f"data_directory = '{DEBIAN_DATA}'\t# use data in another directory\n"
        "hba_file='/etc/postgresql/15/main/pg_hba.conf'\nlisten_addresses = 'localhost'\n"
        "#port = 9999\nport 5433\ninclude_dir = 'conf.d'\n",
    )
    tree("/etc/postgresql/15/main/pg_hba.conf", DEBIAN_HBA)
    on_standby = Server(
        unit="postgresql@15-main.service",
        version="15",
        config_directory="/etc/postgresql/15/main",
        data_version="",
        pid=None,
        listen_addresses="localhost",
        port="5433",
        access=(
            "local all postgres peer",
            "host xcatdb xcatadm 10.97.0.11/32 md5",
            'hostssl all "odd # name" 10.97.0.12 255.255.255.255 scram-sha-256',
            "host all all 0.0.0.0/0 ldap",
        ),
    )
    assert server(tmp_path, DEBIAN_DATA) == on_standby

    tree("/etc/postgresql/15/main/conf.d/10-ha.conf", "listen_addresses = 'localhost,10.97.0.100'\n")
    tree("/etc/postgresql/15/main/conf.d/.hidden.conf", "port = 1\n")
    tree("/etc/postgresql/15/main/conf.d/99.conf.bak", "listen_addresses = 'nowhere'\n")
    with_include = server(tmp_path, DEBIAN_DATA)
    assert with_include is not None
    assert (with_include.listen_addresses, with_include.port) == ("localhost,10.97.0.100", "5433")

    tree(f"{DEBIAN_DATA}/postgresql.auto.conf", "# Do not edit\nListen_Addresses = '*'\n")
    tree(f"{DEBIAN_DATA}/PG_VERSION", "15\n")
    tree(f"{DEBIAN_DATA}/postmaster.pid", "4711\n/var/lib/postgresql/15/main\n1700000000\n")
    on_active = server(tmp_path, DEBIAN_DATA + "/")
    assert on_active is not None
    assert (on_active.listen_addresses, on_active.data_version, on_active.pid) == ("*", "15", 4711)


def test_el_serves_by_the_unit_whose_environment_names_the_directory(
    tmp_path: Path, tree: Callable[[str, str], None]
) -> None:
    tree("/usr/pgsql-15/bin/postgres", program("15.4"))
    on_standby = server(tmp_path, EL_DATA)
    assert on_standby == Server(
        unit="postgresql-15.service",
        version="15",
        config_directory=EL_DATA,
        data_version="",
        pid=None,
        listen_addresses="",
        port="",
        access=(),
    )

    tree(f"{EL_DATA}/postgresql.conf", "max_connections = 100\n")
    tree(f"{EL_DATA}/pg_hba.conf", "host all all 10.97.0.0/24 md5\ninclude_if_exists none.conf\ninclude more.conf\n")
    tree(f"{EL_DATA}/more.conf", "host all all 10.97.0.100/32 md5\n")
    on_active = server(tmp_path, EL_DATA)
    assert on_active is not None
    assert (on_active.listen_addresses, on_active.port) == ("localhost", "5432")
    assert on_active.access == ("host all all 10.97.0.0/24 md5", "host all all 10.97.0.100/32 md5")

    tree("/usr/bin/postmaster", program("9.6.24"))
    distribution = server(tmp_path, "/var/lib/pgsql/data")
    assert distribution is not None
    assert (distribution.unit, distribution.version) == ("postgresql.service", "9.6")


def test_nobody_serves_another_directory(tmp_path: Path, tree: Callable[[str, str], None]) -> None:
    del tree
    assert server(tmp_path, "/db") is None


def test_no_password_of_an_access_list_leaves_the_node(tmp_path: Path, tree: Callable[[str, str], None]) -> None:
    tree("/etc/postgresql/15/main/postgresql.conf", "")
    tree("/etc/postgresql/15/main/pg_hba.conf", DEBIAN_HBA + 'host a b c/8 radius radiussecrets="hunter2"\n')
    result = perl("postgresql.pl", DEBIAN_DATA, str(tmp_path), path=str(tmp_path / "bin"))
    assert b"radius" in result.output
    assert b"hunter2" not in result.output
