# Starts a host and leaves it running, in a mount namespace of its own that this begins in.
# Standard input is the lab's lock, which whoever cleans up waits for.
# Arguments: overlay options, the root, the control groups, --, and the program that boots the host.
cd / || exit
options=$1 root=$2
shift 2
while [ "$1" != -- ]; do
    echo $$ >"$1/cgroup.procs" || exit
    shift
done
shift
mount -t overlay overlay -o "$options" "$root" || exit

# What the machine has mounted came along, and would stay mounted as long as the host runs.
tac /proc/self/mountinfo | while read -r _ _ _ _ place _; do
    case $place in / | /run | /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) continue ;; esac
    case $root/ in "$place"/*) continue ;; esac
    umount "$(printf %b "$place")"
done
mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn || exit

setsid "$@" </dev/null &
