"""Files and directories: `cat`, `cut`, `grep`, `sed`, `stat`, `find`, `df`, `rm`, `mkdir`, write_file.pl."""

from __future__ import annotations

import re

from hamn_flow.model.command import Result
from hamn_flow.simulator.database import is_table
from hamn_flow.simulator.host import Host, Program, is_directory, ok, parent_of, refused, why_absent

_PROMOTE = re.compile(r"/proc/sys/net/ipv4/conf/([^/]+)/promote_secondaries")


def _kernel_file(host: Host, path: str) -> str | None:
    """A file that the kernel makes up."""
    found = _PROMOTE.fullmatch(path)
    if found and found[1] in host.node.promote_secondaries:
        return f"{int(host.node.promote_secondaries[found[1]])}\n"
    if path == "/proc/sys/kernel/random/boot_id":
        return host.node.boot_id + "\n"
    return None


def cat(host: Host) -> Result:
    """`cat PATH...`."""
    if not host.words or host.words[0].startswith("-"):
        raise host.unknown()
    text, errors = "", ""
    for path in host.words:
        content = _kernel_file(host, path)
        if content is None:
            file = host.read(path)
            content = file.content if file else None
        if content is None:
            errors += f"cat: {path}: No such file or directory\n"
        else:
            text += content
    return refused(1, errors, text) if errors else ok(text)


def cut(host: Host) -> Result:
    """`cut -s -d| -f1,2 /etc/xcat/cfgloc`: two fields, and no line that has no separator."""
    match host.words:
        case ("-s", "-d|", "-f1,2", path):
            pass
        case _:
            raise host.unknown()
    file = host.read(path)
    if file is None:
        return refused(1, f"cut: {path}: No such file or directory\n")
    lines = [text for text in file.content.splitlines() if "|" in text]
    return ok("".join("|".join(text.split("|")[:2]) + "\n" for text in lines))


_CONSOLE = r"s/^console[[:space:]]*\([^[:space:]{]*\).*/\1/p"


def sed(host: Host) -> Result:
    """`sed -n s/^console.../p /etc/conserver.cf`: the names of the consoles."""
    match host.words:
        case ("-n", expression, path) if expression == _CONSOLE:
            pass
        case _:
            raise host.unknown()
    file = host.read(path)
    if file is None:
        return refused(2, f"sed: can't read {path}: No such file or directory\n")
    names = (re.match(r"console\s*([^\s{]*)", text) for text in file.content.splitlines())
    return ok("".join(found[1] + "\n" for found in names if found))


def grep(host: Host) -> Result:
    """`grep -rlswF -- TEXT PATHS...`: the files below them in which the text stands as a word.

    Its status is 2 where one of the places is not there, whatever was found in the others.
    """
    match host.words:
        case ("-rlswF", "--", text, *paths):
            pass
        case _:
            raise host.unknown()
    word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
    found = []
    missing = False
    for path in paths:
        file_system, relative = host.state.locate(host.node, path)
        missing |= relative not in file_system.files and not is_directory(file_system, relative)
        for name, file in sorted(file_system.files.items()):
            if (name == relative or name.startswith(relative + "/")) and word.search(file.content):
                found.append(path + name.removeprefix(relative) + "\n")
    return Result(status=2 if missing else 0 if found else 1, output="".join(found).encode())


def stat(host: Host) -> Result:
    """`stat -c %F|%n -- PATH...`."""
    match host.words:
        case ("-c", "%F|%n", "--", *paths):
            pass
        case _:
            raise host.unknown()
    text, errors = "", ""
    for path in paths:
        file_system, relative = host.state.locate(host.node, path)
        if relative in file_system.files:
            kind = "regular file" if file_system.files[relative].content else "regular empty file"
            text += f"{kind}|{path}\n"
        elif is_table(file_system, relative):
            text += f"regular file|{path}\n"
        elif is_directory(file_system, relative):
            text += f"directory|{path}\n"
        else:
            errors += f"stat: cannot statx '{path}': {why_absent(file_system, relative)}\n"
    return refused(1, errors, text) if errors else ok(text)


def find(host: Host) -> Result:
    r"""`find DIR -maxdepth 1 -name *.csv -printf %f\t%s\n`."""
    match host.words:
        case (directory, "-maxdepth", "1", "-name", "*.csv", "-printf", r"%f\t%s\n"):
            pass
        case _:
            raise host.unknown()
    file_system, relative = host.state.locate(host.node, directory)
    if not is_directory(file_system, relative):
        return refused(1, f"find: {directory!r}: No such file or directory\n")
    base = relative.rstrip("/") + "/"
    found = (
        (name.removeprefix(base), len(file.content.encode()))
        for name, file in file_system.files.items()
        if name.startswith(base) and name.endswith(".csv")
    )
    return ok("".join(f"{name}\t{size}\n" for name, size in found if "/" not in name))


def df(host: Host) -> Result:
    """`df -Pk DIRECTORY`."""
    match host.words:
        case ("-Pk", directory) | ("-Pk", "--", directory):
            pass
        case _:
            raise host.unknown()
    file_system, relative = host.state.locate(host.node, directory)
    if not is_directory(file_system, relative):
        return refused(1, f"df: {directory}: No such file or directory\n")
    mounts = [held for held in host.node.mounts if held.own and held.file_system == file_system.name]
    source, mount_point = (mounts[-1].source, mounts[-1].mount_point) if mounts else ("/dev/sda1", "/")
    size, used = file_system.free_kib + 1_000_000, 1_000_000
    share = round(100 * used / size)
    head = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n"
    return ok(f"{head}{source} {size} {used} {file_system.free_kib} {share}% {mount_point}\n")


def rm(host: Host) -> Result:
    """`rm -f -- PATH`."""
    match host.words:
        case ("-f", "--", path):
            pass
        case _:
            raise host.unknown()
    host.change()
    file_system, relative = host.state.locate(host.node, path)
    if is_directory(file_system, relative):
        return refused(1, f"rm: cannot remove '{path}': Is a directory\n")
    file_system.files.pop(relative, None)
    return ok()


def mkdir(host: Host) -> Result:
    """`mkdir -p -- PATH`."""
    match host.words:
        case ("-p", "--", path) | ("-p", path):
            pass
        case _:
            raise host.unknown()
    host.change()
    file_system, relative = host.state.locate(host.node, path)
    if relative in file_system.files:
        return refused(1, f"mkdir: cannot create directory {path!r}: File exists\n")
    while relative not in file_system.directories:
        file_system.directories[relative] = "root"
        relative = parent_of(relative)
    return ok()


def write_file_script(host: Host) -> Result:
    """write_file.pl PATH CONTENT MODE."""
    match host.words:
        case (path, content, mode):
            pass
        case _:
            raise host.unknown()
    host.change()
    if not host.write(path, content, mode):
        return refused(1, f"{path}: No such file or directory\n")
    return ok()


PROGRAMS: dict[str, Program] = {
    "cat": cat,
    "cut": cut,
    "grep": grep,
    "sed": sed,
    "stat": stat,
    "find": find,
    "df": df,
    "rm": rm,
    "mkdir": mkdir,
    "write_file.pl": write_file_script,
}
