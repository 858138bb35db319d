# Who serves a PostgreSQL data directory on this node: DATA_DIRECTORY [ROOT]. Prints nothing if no unit does.
# ROOT stands before every path that is read: another tree than this system's own.
my ($data, $top) = @ARGV;
die "usage: postgresql.pl DATA_DIRECTORY [ROOT]\n" unless defined $data && $data =~ m{^/};
$top = '' unless defined $top;

sub same {
    my ($one, $other) = @_;
    for ($one, $other) { s{/+}{/}g; s{(?<=.)/\z}{} }
    return 1 if $one eq $other;
    my @one   = stat "$top$one";
    my @other = stat "$top$other";
    return @one && @other && "@one[0,1]" eq "@other[0,1]";
}

# The lines of a file without comments, its includes in their place, as postgresql.conf and pg_hba.conf both have them.
sub lines_of {
    my ($path, $depth) = @_;
    my $text = content("$top$path");
    return () if !defined $text || $depth > 10;
    my ($directory) = $path =~ m{^(.*)/};
    my @lines;
    for my $line (split /\n/, $text) {
        $line =~ s/^((?:[^#'"]|'[^']*'|"[^"]*")*)#.*/$1/;
        $line =~ s/^\s+|\s+\z//g;
        if ($line =~ /^include(_if_exists|_dir)?\s*=?\s*['"]?([^'"]+)['"]?\z/i) {
            my ($kind, $name) = (lc($1 || ''), $2);
            $name = "$directory/$name" unless $name =~ m{^/};
            my @files = ($name);
            @files = map { "$name/$_" } sort grep { /^[^.].*\.conf\z/ } entries("$top$name") if $kind eq '_dir';
            push @lines, map { lines_of($_, $depth + 1) } @files;
        }
        elsif ($line ne '') {
            push @lines, $line;
        }
    }
    return @lines;
}

# Settings as the server would have them: the last one wins.
sub settings {
    my %settings;
    for my $line (map { lines_of($_, 0) } @_) {
        next unless $line =~ /^([\w.]+)\s*(?:=|\s)\s*(.*)\z/;
        my ($name, $value) = (lc $1, $2);
        $value =~ s/''/'/g if $value =~ s/^'(.*)'\z/$1/;
        $settings{$name} = $value;
    }
    return \%settings;
}

# The major version of a server program: 9.6, or 15.
sub version_of {
    my ($program) = @_;
    return '' unless -x "$top$program";
    open my $said, '-|', "$top$program", '--version' or return '';
    my $line = <$said>;
    close $said;
    return defined $line && $line =~ /\s(9\.\d+|\d+)/ ? $1 : '';
}

# Debian: a directory of configuration for each server, by version and name.
sub debian {
    for my $version (sort { $b <=> $a } grep { /^\d+(?:\.\d+)?\z/ } entries("$top/etc/postgresql")) {
        for my $name (sort { $a cmp $b } entries("$top/etc/postgresql/$version")) {
            my $config = "/etc/postgresql/$version/$name";
            next unless -f "$top$config/postgresql.conf";
            my $settings = settings("$config/postgresql.conf");
            my $served = $settings->{data_directory};
            $served = "/var/lib/postgresql/$version/$name" unless defined $served;
            next unless same($served, $data);
            my $programs = "/usr/lib/postgresql/$version/bin";
            return ("postgresql\@$version-$name.service", version_of("$programs/postgres"), $config);
        }
    }
    return;
}

# Elsewhere: the unit whose environment has this data directory; the configuration lies in it.
sub by_unit {
    my @names;
    open my $list, '-|', 'systemctl', 'list-unit-files', '--no-legend', '--no-pager', 'postgresql*.service'
        or die "systemctl: $!\n";
    while (my $line = <$list>) {
        push @names, $1 if $line =~ /^(\S+\.service)/ && $1 !~ /\@\.service/;
    }
    close $list;
    if (!@names) {
        return unless system 'systemctl show --property=Version >/dev/null';
        die "systemctl cannot ask systemd\n";
    }
    open my $show, '-|', 'systemctl', 'show', '--property=Id,Environment,ExecStart', '--', @names
        or die "systemctl: $!\n";
    my $text = do { local $/; <$show> };
    close $show;
    for my $block (split /\n\n/, defined $text ? $text : '') {
        my ($unit) = $block =~ /^Id=(.*)$/m;
        my ($served) = $block =~ /^Environment=(?:.*[\s"])?PGDATA=([^\s"]+)/m;
        next unless defined $unit && defined $served && same($served, $data);
        my ($program) = $block =~ /^ExecStart=\{ path=(\S+)/m;
        my ($port) = $block =~ /^Environment=(?:.*[\s"])?PGPORT=(\d+)/m;
        my $version = defined $program ? version_of($program) : '';
        return ($unit, $version, $data, $block =~ /-p \$\{?PGPORT/ ? $port : undef);
    }
    return;
}

my ($unit, $version, $config, $port) = debian();
($unit, $version, $config, $port) = by_unit() unless defined $unit;
exit 0 unless defined $unit;

my $readable = -r "$top$config/postgresql.conf";
my $settings = settings("$config/postgresql.conf", "$data/postgresql.auto.conf");
$settings->{listen_addresses} = 'localhost' unless defined $settings->{listen_addresses};
$settings->{port} = 5432 unless defined $settings->{port};
$settings->{port} = $port if defined $port;
my $data_version = content("$top$data/PG_VERSION");
my $pid = content("$top$data/postmaster.pid");

line('unit', $unit);
line('version', $version);
line('config', $config);
line('data_version', defined $data_version && $data_version =~ /^([\d.]+)/ ? $1 : '');
line('pid', defined $pid && $pid =~ /^-?(\d+)/ ? $1 : '');
line('listen', $readable ? $settings->{listen_addresses} : '');
line('port', $readable || defined $port ? $settings->{port} : '');

# Access lines without the options after the method: some of them are passwords (ldapbindpasswd, radiussecrets).
my $access = $settings->{hba_file};
$access = "$config/pg_hba.conf" unless defined $access;
$access = "$config/$access" unless $access =~ m{^/};
for my $line (lines_of($access, 0)) {
    my @words = $line =~ /((?:"[^"]*"|[^\s"])+)/g;
    my $after = 4;    # type, database, user, then perhaps address and mask, method, options
    $after++ while $after < @words && $words[$after] !~ /^\w+=/;
    line('hba', join ' ', @words[0 .. ($after < @words ? $after - 1 : $#words)]) if @words >= 4;
}
