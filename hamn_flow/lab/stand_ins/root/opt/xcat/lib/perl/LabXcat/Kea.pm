package LabXcat::Kea;

# Kea's DHCP server for makedhcp: its file with the hosts in it, and its control socket.

use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP;
use LabXcat;
use LabXcat::Daemons;

our $FILE  = '/etc/kea/kea-dhcp4.conf';
my $SOCKET = '/run/kea/kea4-ctrl-socket';
my $UNIT   = 'kea-dhcp4-server';
my $JSON   = JSON::PP->new->canonical->pretty;

# A new file for these networks, without hosts, and the daemon started again; whether it runs then.
sub renew {
    my ($interfaces, @networks) = @_;
    my $id = 0;
    _write({ Dhcp4 => {
        'interfaces-config' => { interfaces => $interfaces },
        'control-socket'    => { 'socket-type' => 'unix', 'socket-name' => $SOCKET },
        'lease-database'    => { type => 'memfile' },
        subnet4             => [ map { _subnet($_, ++$id) } @networks ],
    } });
    return LabXcat::Daemons::systemctl('restart', $UNIT);
}

sub _subnet {
    my ($network, $id) = @_;
    my $bits = sprintf('%b', LabXcat::Daemons::inet_number($network->{mask})) =~ tr/1//;
    my %options = (routers => 'gateway', 'domain-name-servers' => 'nameservers', 'domain-name' => 'domain');
    my @told = grep { $network->{ $options{$_} } } sort keys %options;
    return {
        id             => $id,
        subnet         => "$network->{net}/$bits",
        'next-server'  => $network->{tftpserver},
        'option-data'  => [ map { { name => $_, data => $network->{ $options{$_} } } } @told ],
        pools          => [ map { { pool => $_ } } $network->{dynamicrange} || () ],
        reservations   => [],
    };
}

sub _write { return LabXcat::Daemons::replace($FILE, $JSON->encode($_[0])) }

# What the server answers to a command; undef if there is none.
sub _ask {
    my ($command) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $SOCKET) or return;
    $socket->print(qq({"command": "$command"}));
    local $/ = undef;
    return eval { $JSON->decode(<$socket> // '') };
}

# Changes the reservations of the file and has the server read it; a sentence if that failed.
sub _change {
    my ($change) = @_;
    my $file = eval { $JSON->decode(LabXcat::Daemons::content($FILE)) }
        or return "$FILE is not as makedhcp -n writes it";
    for my $subnet (@{ $file->{Dhcp4}{subnet4} }) { $change->($subnet) }
    _write($file);
    my $answer = _ask('config-reload') // { result => 1, text => 'Unable to connect to the DHCP server' };
    return $answer->{result} ? $answer->{text} : '';
}

# Gives the server hosts, [name, address, hardware address] each; a sentence if that failed.
sub give {
    my (@hosts) = @_;
    my %new = map { $_->[0] => $_ } @hosts;
    return _change(sub {
        my ($subnet) = @_;
        my @kept = grep { !$new{ $_->{hostname} } } @{ $subnet->{reservations} };
        my @here = grep { _within($_->[1], $subnet->{subnet}) } @hosts;
        my @more = map { { hostname => $_->[0], 'ip-address' => $_->[1], 'hw-address' => $_->[2] } } @here;
        $subnet->{reservations} = [ @kept, @more ];
    });
}

sub _within {
    my ($address, $subnet) = @_;
    my ($net, $bits) = split m{/}, $subnet;
    my $shift = 32 - $bits;
    return LabXcat::Daemons::inet_number($address) >> $shift == LabXcat::Daemons::inet_number($net) >> $shift;
}

# Takes hosts from the server; a sentence if that failed.
sub take {
    my %gone = map { $_ => 1 } @_;
    return _change(sub {
        my ($subnet) = @_;
        $subnet->{reservations} = [ grep { !$gone{ $_->{hostname} } } @{ $subnet->{reservations} } ];
    });
}

# (address, hardware address) of a host, as the running server has it.
sub known {
    my ($name) = @_;
    my $answer = _ask('config-get') // {};
    my @all = map { @{ $_->{reservations} } } @{ $answer->{arguments}{Dhcp4}{subnet4} // [] };
    my ($host) = grep { $_->{hostname} eq $name } @all;
    return $host ? @{$host}{qw(ip-address hw-address)} : ();
}

1;
