package LabXcat::Daemons;

# What the commands share that write a real daemon's files from the tables and start it again.
#
#   usage($text)                how the command is called, and the end of it
#   takes($seconds)             returns so many seconds after the command began: the real one takes as long
#   systemctl(@arguments)       asks systemd, quietly; true if it did so
#   content($path)              a whole file, or ''
#   replace($path, $text, $mode)  another content for a file, which others see whole or not at all
#   hosts()                     the lines of /etc/hosts that name something: [address, name, ...]
#   address_of($name)           of a node: its hosts.ip, or what the host's own resolver says; '' if neither
#   of_node($table, $name)      the row of a node, or of the first of its groups that has one
#   networks()                  the rows of IPv4 networks
#   within($address, $network)  whether an address belongs to such a row
#   own_addresses()             this host's IPv4 addresses, in the order of ip(8)

use strict;
use warnings;
use LabXcat;
use Socket qw(inet_aton inet_ntoa);
use Time::HiRes qw(sleep time);

my $began = time;

sub usage {
    my ($text) = @_;
    print STDERR "Usage: $text\n";
    exit 1;
}

sub takes {
    my ($seconds) = @_;
    my $left = $began + $seconds - time;
    sleep $left if $left > 0;
    return;
}

sub systemctl {
    my (@arguments) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open(STDIN,  '<',  '/dev/null') or exit 127;
        open(STDOUT, '>',  '/dev/null') or exit 127;
        open(STDERR, '>&', \*STDOUT)    or exit 127;
        exec 'systemctl', @arguments or exit 127;
    }
    waitpid $pid, 0;
    return $? == 0;
}

sub content {
    my ($path) = @_;
    open(my $file, '<', $path) or return '';
    local $/ = undef;
    return <$file> // '';
}

sub replace {
    my ($path, $text, $mode) = @_;
    my $beside = "$path.xcatnew";
    unlink $beside;
    my $failed = sub { LabXcat::complain("$path: $!"); exit 1 };
    open(my $file, '>', $beside) or $failed->();
    chmod $mode // 0644, $beside or $failed->();
    print {$file} $text or $failed->();
    close($file) && rename($beside, $path) or $failed->();
    return;
}

sub hosts {
    my @lines = map { s/#.*//r } split /\n/, content('/etc/hosts');
    return grep { @{$_} > 1 && $_->[0] =~ /^\d+(?:\.\d+){3}$/ } map { [split] } @lines;
}

sub address_of {
    my ($name) = @_;
    my ($row)  = grep { $_->{node} eq $name } LabXcat::rows('hosts');
    my $packed = inet_aton($row && $row->{ip} || $name);
    return $packed ? inet_ntoa($packed) : '';
}

sub of_node {
    my ($table, $name) = @_;
    my ($node) = grep { $_->{node} eq $name } LabXcat::rows('nodelist');
    my @rows = LabXcat::rows($table);
    for my $one ($name, split /,/, $node && $node->{groups} // '') {
        my ($row) = grep { $_->{node} eq $one } @rows;
        return $row if $row;
    }
    return {};
}

sub networks {
    return grep { inet_number($_->{net}) && inet_number($_->{mask}) } LabXcat::rows('networks');
}

sub within {
    my ($address, $network) = @_;
    my ($mask, $net) = map { inet_number($_) } @{$network}{qw(mask net)};
    return (inet_number($address) & $mask) == $net;
}

sub inet_number {
    my ($address) = @_;
    return ($address // '') =~ /^\d+(?:\.\d+){3}$/ ? unpack 'N', inet_aton($address) : 0;
}

sub own_addresses {
    open(my $shown, '-|', qw(ip -4 -o addr show)) or return;
    return map {/ inet ([\d.]+)/} <$shown>;
}

1;
