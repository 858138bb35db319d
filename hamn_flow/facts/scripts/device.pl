# Whether a block device is there, whether a file system lives on it, and whether it can be opened exclusively.
use Fcntl;

my ($path) = @ARGV;
my @status = stat $path;
if (!@status) {
    die "$path: $!\n" unless $!{ENOENT} || $!{ENOTDIR};
    line('absent');
    exit 0;
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
for my $type ('ext4', 'xfs') {
    line('alive', "/sys/fs/$type/$name") if -d "/sys/fs/$type/$name";
}
if (sysopen my $device, $path, O_RDONLY | O_EXCL) {
    close $device;
    line('open', 'free');
}
else {
    line('open', $!{EBUSY} ? 'busy' : "$!");
}
