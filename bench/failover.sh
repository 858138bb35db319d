#!/bin/bash
# A planned failover as a plain shell script does it: the same work as hamn-flow's, one command after the other, each
# believed. Arguments: the node that lets go, the one that takes over. Prints how long each part took, in seconds.
# It is the floor of `make bench-lab`, for use on the lab alone: it looks at nothing and cannot go back.
set -eu
from=$1 to=$2

on() {
    ssh -F "$HOME/.ssh/config" "$1" bash -s -- <<<"$lib$2"
}

# shellcheck disable=SC2016  # expanded on the node
lib='
set -e
. /etc/profile.d/xcat.sh
vip=10.97.0.100
part() {
    local name=$1 begun=$EPOCHREALTIME
    shift
    "$@" >/dev/null 2>&1
    echo "$name $begun $EPOCHREALTIME" | awk "{ printf \"%s %.3f\n\", \$1, \$3 - \$2 }"
}
take_disks() {
    local each
    for each in xcat:/etc/xcat install:/install rootxcat:/root/.xcat postgres:/var/lib/postgresql tftpboot:/tftpboot; do
        mount "/dev/disk/by-label/${each%%:*}" "${each#*:}"
    done
}
until_listening() {
    local tries=0
    until ss -Hlnt "sport = :$1" | grep -q .; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ]
        sleep 0.05
    done
}
until_table_answers() {
    local tries=0
    until XCATBYPASS=1 tabdump site | grep -q xcatdport; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ]
        sleep 0.1
    done
}
'

on "$from" '
part stop_conserver systemctl stop conserver
part stop_dhcp systemctl stop isc-dhcp-server
part stop_xcatd systemctl stop xcatd
part stop_named systemctl stop named
part unexport exportfs -u "*:/install"
part unexport exportfs -u "*:/tftpboot"
part stop_nfs systemctl stop nfs-server
part stop_database systemctl stop postgresql@15-main
part hold systemctl mask --runtime conserver isc-dhcp-server xcatd named nfs-server postgresql@15-main
part unmount umount /tftpboot /var/lib/postgresql /root/.xcat /install /etc/xcat
part release_address ip addr del $vip/24 dev eth0
'
on "$to" '
part allow systemctl unmask --runtime conserver isc-dhcp-server xcatd named nfs-server postgresql@15-main
part duplicate_check arping -D -c 2 -I eth0 $vip
part claim_address ip addr add $vip/24 brd + dev eth0 label eth0:0
part announce arping -U -c 2 -I eth0 $vip
part mounts take_disks
part start_nfs systemctl start nfs-server
part export exportfs -ra
part start_database systemctl start postgresql@15-main
part database_answers until_table_answers
part start_named systemctl start named
part start_xcatd systemctl start xcatd
part xcat_answers lsxcatd -a
part makedns makedns -n
part makedhcp makedhcp -n
part start_dhcp systemctl start isc-dhcp-server
part makedhcp_nodes makedhcp -a
part makeconservercf makeconservercf
part start_conserver systemctl start conserver
part conserver_listens until_listening 782
grep -q "nameserver $vip" /etc/resolv.conf || part nameserver sed -i "1i nameserver $vip" /etc/resolv.conf
'
