# Who has something mounted from here: CLIENT, PATH, NAME. Version 4 clients from knfsd, version 3 from mountd.
for my $client (entries('/proc/fs/nfsd/clients')) {
    my $info = content("/proc/fs/nfsd/clients/$client/info");
    next unless defined $info;
    my ($address) = $info =~ /^address: "([^"]*)"/m;
    my ($name)    = $info =~ /^name: "([^"]*)"/m;
    next unless defined $address;
    $address =~ s/:\d+\z//;
    $address =~ s/^\[(.*)\]\z/$1/;
    line($address, '', $name);
}

if (open my $shown, '-|', 'exec showmount -a --no-headers 2>/dev/null') {
    while (my $entry = <$shown>) {
        chomp $entry;
        line($1, $2, '') if $entry =~ m{^(\S+?):(/.*)\z};
    }
    close $shown;
}
