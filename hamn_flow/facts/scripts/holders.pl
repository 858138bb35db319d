# Who holds a file system: MOUNT_POINT MAJOR:MINOR. Prints KIND, PID, START TIME, USER, UNIT, TITLE, DETAIL and, for
# the look itself and all above it, `ours`. Told by the device number: a path proves nothing.
my ($mount_point, $number) = @ARGV;
die "usage: holders.pl MOUNT_POINT MAJOR:MINOR\n" unless @ARGV == 2 && $number =~ /^(\d+):(\d+)\z/;
my ($major, $minor) = $number =~ /^(\d+):(\d+)\z/;

# As stat shows a device: makedev(3).
my $device = $minor & 0xff | ($major & 0xfff) << 8 | ($minor & ~0xff) << 12 | ($major & ~0xfff) << 32;
die "$number is the root file system, which everything holds\n" if (stat '/')[0] == $device;

my $most = 10;    # of one kind, of one process: enough to know it by
my (%ours, %said);
for (my $pid = $$; $pid > 1;) {
    $ours{$pid} = 1;
    my $facts = facts_of($pid) or last;
    $pid = $facts->{parent};
}

sub holds {
    my ($kind, $pid, $detail) = @_;
    return if $said{"$kind $pid $detail"}++ || $said{"$kind $pid"}++ >= $most;
    my $facts = $pid ? facts_of($pid) : undef;
    return if $pid && !defined $facts;
    my @who = $pid ? ($facts->{started}, user_of($pid), unit_of($pid), title_of($pid, $facts)) : (0, '', '', 'kernel');
    line($kind, $pid, @who, $detail, $ours{$pid} ? 'ours' : ());
}

sub plain {
    my ($path) = @_;
    $path =~ s/\\([0-7]{3})/chr oct $1/ge;
    return $path;
}

# proc(5): ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS [TAG ...] - TYPE SOURCE OPTIONS
sub mounts_of {
    my ($text) = @_;
    my @mounts;
    for my $entry (split /\n/, $text) {
        my ($of_mount, $of_type) = split / - /, $entry, 2;
        my ($id, $parent, $device, $root, $point, $options, @tags) = split / /, $of_mount;
        push @mounts, {
            id     => $id,
            parent => $parent,
            device => $device,
            point  => plain($point),
            peers  => { map { /^(?:shared|master|propagate_from):(\d+)/ ? ($1 => 1) : () } @tags },
            shared => "@tags" =~ /\bshared:(\d+)/ ? $1 : '',
            remote => $of_type =~ /^(?:nfs4?|cifs|smb3|ceph|lustre|gpfs|9p|afs|autofs|fuse\S*) / ? 1 : 0,
        };
    }
    return @mounts;
}

sub by_id { return map { $_->{id} => $_ } @_ }

sub stands_on {
    my ($mount, $all) = @_;
    for (my $below = $all->{ $mount->{parent} }; $below; $below = $all->{ $below->{parent} }) {
        return 1 if $below->{device} eq $number;
        last if $below->{id} eq $below->{parent};
    }
    return 0;
}

# The mounts of the file system itself, and what is mounted on it. The mount that is to go is no holder of itself, nor
# are copies that go with it, or with a mount here that is named anyway: those whose parent receives what is mounted
# and unmounted here.
my ($here, @others) = namespaces();
my @mounts = mounts_of($here->{mounts});
my %mounts = by_id(@mounts);
my ($target) = reverse grep { $_->{device} eq $number && $_->{point} eq $mount_point } @mounts;
my (%groups, %here_too);

for my $mount (grep { $_->{device} eq $number || stands_on($_, \%mounts) } @mounts) {
    my $parent = $mounts{ $mount->{parent} };
    $groups{ $parent->{shared} } = 1 if $parent && $parent->{shared} ne '';
    $here_too{"$mount->{device} $mount->{point}"} = 1;
    holds('mount', 0, $mount->{point}) unless $target && $mount->{id} eq $target->{id};
}
for my $space (@others) {
    my @there = mounts_of($space->{mounts});
    my %there = by_id(@there);
    for my $mount (grep { $_->{device} eq $number || stands_on($_, \%there) } @there) {
        my $parent = $there{ $mount->{parent} };
        my $known  = $here_too{"$mount->{device} $mount->{point}"};
        next if $known && $parent && grep { $groups{$_} } keys %{ $parent->{peers} };
        holds('mount', $space->{pid}, "$mount->{point} in another mount namespace");
    }
}

# The kernel: loop devices and swap files on it, and what knfsd serves from it.
for my $name (grep { /^loop\d+\z/ } entries('/sys/block')) {
    my $file = content("/sys/block/$name/loop/backing_file");
    next unless defined $file;
    chomp $file;
    my $on = loop_device($name);
    $on = (stat $file)[0] unless defined $on;
    holds('loop', 0, "/dev/$name of $file") if defined $on && $on == $device;
}

# LOOP_GET_STATUS64 of loop(4) begins with the backing file's device, as the kernel's user interface encodes it; it is
# right also where the file was deleted or lies in another mount namespace.
sub loop_device {
    my ($name) = @_;
    open my $loop, '<', "/dev/$name" or return undef;
    my $status = "\0" x 512;
    my $told = ioctl $loop, 0x4C05, $status;
    close $loop;
    return $told ? unpack('Q', $status) : undef;
}

my $swaps = content('/proc/swaps');
for my $line (split /\n/, defined $swaps ? $swaps : '') {
    my ($file, $type) = split ' ', $line;
    next unless defined $type && $type eq 'file';
    my $on = (stat plain($file))[0];
    holds('swap', 0, plain($file)) if defined $on && $on == $device;
}

my $exports = content('/proc/fs/nfsd/exports');
for my $line (split /\n/, defined $exports ? $exports : '') {
    next unless $line =~ m{^(/\S*)\s+([^\s(]+)};
    my ($path, $client) = (plain($1), $2);
    my $on = (stat $path)[0];
    holds('nfsd', 0, "$path exported to $client") if defined $on && $on == $device;
}
for my $client (entries('/proc/fs/nfsd/clients')) {
    my $states = content("/proc/fs/nfsd/clients/$client/states");
    for my $state (split /\n/, defined $states ? $states : '') {
        next unless $state =~ /superblock: "([0-9a-f]+):([0-9a-f]+):/ && hex $1 == $major && hex $2 == $minor;
        my ($what) = $state =~ /filename: "([^"]*)"/;
        holds('nfsd', 0, 'opened over NFS 4: ' . (defined $what ? $what : 'a file'));
    }
}

# The paths that sockets are bound to: { inode => path }. Each network namespace has a list of its own.
my (%sockets, %networks);

sub sockets_seen_by {
    my ($pid) = @_;
    my $network = readlink "/proc/$pid/ns/net";
    return if !defined $network || $networks{$network}++;
    my $list = content("/proc/$pid/net/unix");
    for my $line (split /\n/, defined $list ? $list : '') {
        $sockets{$1} = $2 if $line =~ m{\s(\d+) (/.*)\z};
    }
}

# What lies on a network file system is not looked at: it is not ours, and the look may hang. An automounter's own
# mount lies below ours at the same point.
my @ours   = map { $_->{point} } grep { $_->{device} eq $number } @mounts;
my @remote = map { $_->{point} } grep { $_->{remote} } @mounts;

sub is_at {
    my ($path, @points) = @_;
    return scalar grep { $path eq $_ || index($path, "$_/") == 0 } @points;
}

sub on_it {
    my ($link, $path) = @_;
    return 0 if is_at($path, @remote) && !is_at($path, @ours);
    my $on = (stat $link)[0];
    return defined $on && $on == $device;
}

sockets_seen_by($_) for pids();
for my $pid (pids()) {
    next if $pid == $$;
    for my $kind ('cwd', 'root', 'exe') {
        my $path = readlink "/proc/$pid/$kind";
        holds($kind, $pid, $path) if defined $path && on_it("/proc/$pid/$kind", $path);
    }
    for my $number (sort { $a <=> $b } entries("/proc/$pid/fd")) {
        my $path = readlink "/proc/$pid/fd/$number";
        next unless defined $path;
        if ($path =~ /^socket:\[(\d+)\]\z/) {
            my $bound = $sockets{$1};
            holds('file', $pid, $bound) if defined $bound && on_it("/proc/$pid/root$bound", $bound);
        }
        elsif ($path =~ m{^/}) {
            holds('file', $pid, $path) if on_it("/proc/$pid/fd/$number", $path);
        }
    }
    my $exe = readlink "/proc/$pid/exe";
    my $maps = content("/proc/$pid/maps");
    next unless defined $maps;
    while ($maps =~ m{^\S+ \S+ \S+ ([0-9a-f]+):([0-9a-f]+) [1-9]\d* +(/.*)$}mg) {
        my ($high, $low, $path) = (hex $1, hex $2, $3);
        next if $high != $major || $low != $minor || (defined $exe && $path eq $exe);
        holds('map', $pid, $path);
    }
}
