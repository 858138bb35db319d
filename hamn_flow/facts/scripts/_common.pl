# What the programs of this directory share. Core modules of Perl 5.8 and later only.
use strict;
use warnings;
use Errno;

# Dying of the alarm, rather than handling it, ends even a look at a network file system that hangs.
alarm 15;

# One line of values; see scripts/__init__.py for the escapes.
sub line {
    my @values = map { defined $_ ? $_ : '' } @_;
    for my $value (@values) {
        $value =~ s/\\/\\\\/g;
        $value =~ s/\t/\\t/g;
        $value =~ s/\n/\\n/g;
    }
    print join("\t", @values), "\n";
}

# A whole small file; undef if it is not there (a process may end while it is looked at).
sub content {
    my ($path) = @_;
    open my $file, '<', $path or return undef;
    local $/;
    my $text = <$file>;
    close $file;
    return $text;
}

sub entries {
    my ($directory) = @_;
    opendir my $handle, $directory or return ();
    my @names = grep { $_ ne '.' && $_ ne '..' } readdir $handle;
    closedir $handle;
    return @names;
}

sub pids { return sort { $a <=> $b } grep { /^\d+$/ } entries('/proc') }

# proc(5), /proc/PID/stat: the name stands in parentheses and may hold any character.
sub facts_of {
    my ($pid) = @_;
    my $text = content("/proc/$pid/stat");
    return undef unless defined $text && $text =~ /\((.*)\) (.*)/s;
    my ($name, @fields) = ($1, split ' ', $2);
    return undef unless @fields > 19;
    return {
        name    => $name,
        state   => $fields[0],
        parent  => $fields[1],
        kernel  => ($fields[6] & 0x00200000) ? 1 : 0,    # PF_KTHREAD
        started => $fields[19],
    };
}

# The title that a process gave itself, or its name; never its arguments, which may hold passwords.
# A rewritten title (`xcatd: SSL listener`) is one string; arguments are separated by NUL.
sub title_of {
    my ($pid, $facts) = @_;
    my $words = content("/proc/$pid/cmdline");
    $words = '' unless defined $words;
    $words =~ s/[\0 ]+\z//;
    return $words if $words =~ m{^[\w.\@/-]+: [^\0]*\z};
    return $facts->{name};
}

# The effective user. Not the owner of /proc/PID: that is root for a daemon that gave up its rights itself.
sub user_of {
    my ($pid) = @_;
    my $status = content("/proc/$pid/status");
    return '' unless defined $status && $status =~ /^Uid:\s+\d+\s+(\d+)/m;
    my $name = getpwuid $1;
    return defined $name ? $name : $1;
}

# The system's unit that a process belongs to: the first one down the path of its control group.
sub unit_of {
    my ($pid) = @_;
    my $groups = content("/proc/$pid/cgroup");
    return '' unless defined $groups;
    for my $group (split /\n/, $groups) {
        my ($number, $kind, $path) = split /:/, $group, 3;
        next unless defined $path && ($kind eq '' || $kind eq 'name=systemd');
        for my $part (split m{/}, $path) {
            return $part if $part =~ /\.(?:service|scope)\z/;
        }
    }
    return '';
}

# Each mount namespace once, our own first: { pid => its lowest process, own => 0 or 1, mounts => mountinfo }.
# One that cannot be looked into is no answer, for a mount may live on in it. Where only the link is forbidden (a
# process with more capabilities than ours), a namespace is known by its first mount's number, which is unique.
sub namespaces {
    my $own  = readlink '/proc/self/ns/mnt';
    my $here = content('/proc/self/mountinfo');
    die "cannot read our own mounts: $!\n" unless defined $own && defined $here;
    my %by_name = ($own => { pid => $$, own => 1, mounts => $here });
    my %by_mount = map { /^(\d+) / ? ($1 => 1) : () } split /\n/, $here;
    my @found = ($by_name{$own});
    for my $pid (pids()) {
        my $name = readlink "/proc/$pid/ns/mnt";
        if (defined $name && $by_name{$name}) {
            $by_name{$name}{pid} = $pid if $pid < $by_name{$name}{pid};
            next;
        }
        my $mounts = content("/proc/$pid/mountinfo");
        if (!defined $mounts) {
            next if $!{ENOENT} || $!{ESRCH} || $!{EINVAL};    # it is ending: it has no namespace any more
            die "cannot read the mounts of process $pid: $!; this must be run as root\n";
        }
        my ($first) = $mounts =~ /^(\d+) /;
        next if !defined $first || (!defined $name && $by_mount{$first});
        my $space = { pid => $pid, own => 0, mounts => $mounts };
        $by_name{$name} = $space if defined $name;
        $by_mount{$_} = 1 for $mounts =~ /^(\d+) /mg;
        push @found, $space;
    }
    return @found;
}

# Written beside its place, synced, renamed: whoever reads it sees the old file or the new one, also after a crash.
sub replace_file {
    my ($path, $content, $mode, @owner) = @_;
    require Fcntl;
    require IO::Handle;
    my ($directory, $name) = $path =~ m{^(.*)/([^/]+)\z}s;
    $directory = '/' if $directory eq '';
    my $beside = "$directory/.$name.hamn-flow";
    unlink $beside;    # left by one that was killed
    sysopen my $file, $beside, Fcntl::O_WRONLY() | Fcntl::O_CREAT() | Fcntl::O_EXCL(), 0600
        or die "$beside: $!\n";
    my $written = print {$file} $content;
    $written = $file->flush && $file->sync && chmod($mode, $beside) if $written;
    $written = chown(@owner, $beside) if $written && @owner;
    $written = close($file) && rename($beside, $path) if $written;
    if (!$written) {
        my $reason = $!;
        close $file;       # once more in vain, or Perl complains of it
        unlink $beside;
        die "$path: $reason\n";
    }
    open my $folder, '<', $directory or die "$directory: $!\n";
    $folder->sync or die "$directory: $!\n";
    close $folder;
}
