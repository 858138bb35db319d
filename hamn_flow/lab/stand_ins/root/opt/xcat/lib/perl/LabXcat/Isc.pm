package LabXcat::Isc;

# ISC's dhcpd for makedhcp: its file, and its hosts by OMAPI, which it keeps in its leases file.

use strict;
use warnings;
use IPC::Open3 qw(open3);
use LabXcat;
use LabXcat::Daemons;
use MIME::Base64 qw(encode_base64);

our $FILE     = '/etc/dhcp/dhcpd.conf';
my $DEFAULTS  = '/etc/default/isc-dhcp-server';
my $LEASES    = '/var/lib/dhcp/dhcpd.leases';
my $UNIT      = 'isc-dhcp-server';
my $NO_SERVER = 'Unable to connect to the DHCP server by OMAPI';

# A new file for these networks, no leases, and the daemon started again; whether it runs then.
sub renew {
    my ($interfaces, @networks) = @_;
    my $key  = _key();
    my $text = "#xCAT generated dhcp configuration\n\nauthoritative;\nddns-update-style none;\n"
        . "omapi-port 7911;\nkey xcat_key {\n  algorithm hmac-md5;\n  secret \"$key\";\n};\nomapi-key xcat_key;\n";
    $text .= join '', map { _subnet($_) } @networks;
    my $defaults = LabXcat::Daemons::content($DEFAULTS);
    my $wanted   = qq(INTERFACESv4="@{$interfaces}");
    $defaults =~ s/^INTERFACESv4=.*/$wanted/m or $defaults .= "$wanted\n";
    LabXcat::Daemons::systemctl('stop', $UNIT);
    unlink $LEASES, "$LEASES~";
    LabXcat::Daemons::replace($DEFAULTS, $defaults);
    LabXcat::Daemons::replace($FILE, $text, 0600);
    return LabXcat::Daemons::systemctl('start', $UNIT);
}

sub _subnet {
    my ($network) = @_;
    my ($net, $mask, $domain) = @{$network}{qw(net mask domain)};
    my $text = "subnet $net netmask $mask {\n  next-server $network->{tftpserver};\n";
    $text .= "  option routers $network->{gateway};\n" if $network->{gateway};
    $text .= "  option domain-name-servers $network->{nameservers};\n" if $network->{nameservers};
    $text .= qq(  option domain-name "$domain";\n) if $domain;
    $text .= '  range ' . $network->{dynamicrange} =~ tr/-/ /r . ";\n" if $network->{dynamicrange};
    return "$text} # $net/$mask subnet_end\n";
}

# In the passwd table, as with the real one, so that both management nodes have the same.
sub _key {
    my ($row) = grep { $_->{key} eq 'omapi' } LabXcat::rows('passwd');
    return $row->{password} if $row && $row->{password};
    open(my $random, '<:raw', '/dev/urandom') or die "/dev/urandom: $!\n";
    read $random, my $bytes, 24;
    my $key = encode_base64($bytes, '');
    LabXcat::put('passwd', { key => 'omapi' }, { username => 'xcat_key', password => $key });
    return $key;
}

# What omshell answers to these commands; undef if there is no server.
sub _omshell {
    my (@commands) = @_;
    my $pid = open3(my $shell, my $answers, undef, 'omshell');    # both of its outputs
    print {$shell} map {"$_\n"} 'key xcat_key "' . _key() . '"', 'connect', @commands;
    close $shell;
    my $said = join '', <$answers>;
    waitpid $pid, 0;
    return $said =~ /dhcpctl_connect:|not connected/ ? undef : $said;
}

# Gives the server hosts, [name, address, hardware address] each; a sentence if that failed.
sub give {
    my (@hosts) = @_;
    for my $host (@hosts) {
        my ($name, $address, $mac) = @{$host};
        my $refused = take($name) // _refused(
            qq(set name = "$name"), "set ip-address = $address", "set hardware-address = $mac",
            'set hardware-type = 1', 'create'
        );
        return $refused if $refused;
    }
    return '';
}

sub _refused {
    my $said = _omshell('new host', @_, 'close');
    return $NO_SERVER if !defined $said;
    return $said =~ /^(?:> )*(can't .*)/m ? $1 : '';
}

# Takes hosts from the server; a sentence if there is none.
sub take {
    for my $name (@_) {
        return $NO_SERVER if !defined _omshell('new host', qq(set name = "$name"), 'open', 'remove', 'close');
    }
    return;
}

# (address, hardware address) of a host, as the running server has it.
sub known {
    my ($name) = @_;
    my $said = _omshell('new host', qq(set name = "$name"), 'open', 'close') // '';
    my ($address) = $said =~ /ip-address = ([0-9a-f:]+)/;
    my ($mac)     = $said =~ /hardware-address = ([0-9a-f:]+)/;
    return $address ? (join('.', map {hex} split /:/, $address), $mac) : ();
}

1;
