# Of each block device: whether it is there, whether a file system lives on it, and whether it can be opened exclusively.
use Fcntl;

# Another look at the same device has it open for a moment, so one refusal says nothing yet; but where a file system
# lives, nothing is to be waited for.
sub exclusive {
    my ($path, $alive) = @_;
    for my $try (1 .. 25) {
        return 'free' if sysopen my $device, $path, O_RDONLY | O_EXCL;
        return "$!" if !$!{EBUSY};
        return 'busy' if $alive;
        select undef, undef, undef, 0.01 + rand 0.02;
    }
    return 'busy';
}

for my $path (@ARGV) {
    line('device', $path);
    my @status = stat $path;
    if (!@status) {
        die "$path: $!\n" unless $!{ENOENT} || $!{ENOTDIR};
        line('absent');
        next;
    }
    die "$path is not a block device\n" unless -b _;

    my $number = $status[6];
    my $major  = ($number >> 8) & 0xfff | ($number >> 32) & ~0xfff;
    my $minor  = $number & 0xff | ($number >> 12) & 0xfff00;
    my $link   = readlink "/sys/dev/block/$major:$minor";
    die "the kernel does not know the device $major:$minor\n" unless defined $link;
    my ($name) = $link =~ m{([^/]+)\z};
    line('node', $name, "$major:$minor");

    # The directory is there while the super block lives, also after a lazy unmount.
    my ($alive) = grep { -d } map { "/sys/fs/$_/$name" } 'ext4', 'xfs';
    line('alive', $alive) if $alive;
    line('open', exclusive($path, $alive));
}
