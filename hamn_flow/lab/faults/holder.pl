# Starts a process that holds something until it is ended, or for as long as was said: HOW SUBJECT SECONDS.
# Prints its pid and its start time (proc(5), field 22 of stat) when it holds it. Core modules only.
use strict;
use warnings;
use POSIX ();

my ($how, $subject, $seconds) = @ARGV;
my @waits = ('sleep', $seconds);
my @kept;    # what is to be open still when the program begins

# Each takes hold and returns the program that goes on holding, with its arguments.
my %ways = (
    # A shell that waits for a line, which never comes: it has the pipe's other end itself.
    cwd => sub {
        chdir $subject or die "$subject: $!\n";
        pipe my $reads, my $writes or die "pipe: $!\n";
        push @kept, $writes;
        open STDIN, '<&', $reads or die "pipe: $!\n";
        return ('bash', '--norc');
    },
    file => sub {
        open STDOUT, '>>', $subject or die "$subject: $!\n";
        return @waits;
    },
    binary => sub { return ($subject, $seconds) },

    # In a network of its own, where the port is free, whoever else serves TFTP.
    tftp => sub { return qw(unshare --net in.tftpd -v -l -m /etc/tftpmapfile4xcat.conf -s), $subject },
    port => sub {
        require IO::Socket::IP;
        my %listens = (LocalPort => $subject, Listen => 5, ReuseAddr => 1, Proto => 'tcp');
        push @kept, IO::Socket::IP->new(%listens, LocalHost => '0.0.0.0') || die "port $subject: $@\n";
        push @kept, IO::Socket::IP->new(%listens, LocalHost => '::', V6Only => 1);    # where there is IPv6
        return @waits;
    },

    # What Debian's pg_ctlcluster takes for a server: a process of that user by that name.
    postgres => sub {
        my ($user, $group) = (getpwnam $subject)[2, 3];
        defined $user or die "there is no user $subject\n";
        POSIX::setgid($group);
        $) = "$group $group";
        POSIX::setuid($user) or die "user $subject: $!\n";
        return @waits;
    },
);
my $way = $ways{$how} or die "usage: holder.pl HOW SUBJECT SECONDS\n";

pipe my $hears, my $tells or die "pipe: $!\n";    # closed by exec: silence says that the program runs
my $pid = fork;
defined $pid or die "fork: $!\n";
if (!$pid) {
    $^F = 1000;                                   # what is opened from here on is handed on to the program
    eval {
        POSIX::setsid();
        open STDIN,  '<', '/dev/null' or die "/dev/null: $!\n";
        open STDOUT, '>', '/dev/null' or die "/dev/null: $!\n";
        open STDERR, '>', '/dev/null' or die "/dev/null: $!\n";
        my ($program, @arguments) = $way->();
        alarm $seconds;
        exec {$program} ($how eq 'postgres' ? $subject : $program, @arguments) or die "$program: $!\n";
    };
    print {$tells} $@;
    close $tells;
    POSIX::_exit(1);
}
close $tells;
my $trouble = do { local $/; <$hears> };
die $trouble if defined $trouble && $trouble ne '';

my $tries = $how eq 'tftp' ? 250 : 0;    # it begins to hold some time after it has begun to run
while ($tries && (readlink "/proc/$pid/root" // '') ne $subject) {
    die "in.tftpd ended at once\n" if waitpid $pid, POSIX::WNOHANG();
    --$tries or kill 'KILL', $pid and die "in.tftpd does not come to hold $subject\n";
    select undef, undef, undef, 0.02;
}
open my $stat, '<', "/proc/$pid/stat" or die "process $pid: $!\n";
my @fields = split ' ', (<$stat> =~ /.*\) (.*)/s)[0];
print "$pid $fields[19]\n";
