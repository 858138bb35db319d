# The launcher: runs commands on this node for a driver that may vanish at any moment.
#
# It gets requests on standard input and answers on standard output, as wire/ describes. It needs Perl alone (core
# modules that Debian's perl-base has). It is sent as one text, these files in this order, read whole before it runs:
#
#   common.pl    small things, and frames: whole requests or nothing
#   looks.pl     commands, and waiting for those that only read
#   jobs.pl      generations, and commands that change something, each at most once
#   copies.pl    copies of the journals of runs, on a disk of this node's own
#   loop.pl      what to do when something can be read or written, has ended or is due

use strict;
use warnings;
use Errno ();
use Fcntl ();
use IO::Handle ();
use POSIX ();

use constant {
    PIECE        => 65_536,        # bytes of output in a frame
    ENOUGH       => 1_048_576,     # bytes not yet taken by the client; more are not read from commands
    LONGEST      => 1_048_576,     # bytes in a request
    MOST_OUTPUT  => 67_108_864,    # bytes of output kept of one command
    SHORT_SLEEP  => 0.001,         # seconds
    LONG_SLEEP   => 0.05,
    FLUSH        => 5,             # seconds for the last words
    TURN         => 1,             # seconds for who else has a copy open to be done with it
};

my $TICKS = POSIX::sysconf( POSIX::_SC_CLK_TCK() );
my $USER  = $>;
my $HOME  = ( getpwuid $USER )[7] || '/';
open my $NOTHING, '+<', '/dev/null' or die "/dev/null: $!\n";

my $home;             # BASE/<boot id>
my $copies;           # the folder of copies, made when the first one comes
my $received = '';    # bytes that are not a whole request yet
my $unsent   = '';    # bytes that the client has not taken yet
my %reader;           # file descriptor => what to do when it can be read
my %writer;           # file descriptor => what to do when it can be written
my %look;             # pid => a look that runs
my @waits;            # who waits for which key, until when

# Seconds on a clock that nobody sets.
sub now { return ( POSIX::times() )[0] / $TICKS }

sub text_of {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    my $text = do { local $/ = undef; <$file> };
    return defined $text ? $text : '';
}

# What is in a folder, or nothing if there is no folder; any other trouble must not be taken for that.
sub names_in {
    my ($folder) = @_;
    opendir my $handle, $folder or $!{ENOENT} ? return : die "$folder: $!\n";
    $! = 0;
    my @name = readdir $handle;
    $! and die "$folder: $!\n";
    return @name;
}

sub create {
    my ($path) = @_;
    sysopen my $file, $path, Fcntl::O_WRONLY() | Fcntl::O_CREAT() | Fcntl::O_EXCL(), 0600 or die "$path: $!\n";
    return $file;
}

sub write_all {
    my ( $file, $text ) = @_;
    ( syswrite( $file, $text ) || 0 ) == length $text or die "cannot write: $!\n";
    return;
}

# Put a folder that is not empty in its place, whole; false if there is one already.
sub place {
    my ( $new, $folder ) = @_;
    rename $new, $folder and return 1;
    $!{EEXIST} || $!{ENOTEMPTY} or die "$folder: $!\n";
    remove_folder($new);
    return 0;
}

# A folder that belongs to us alone, whoever may write beside it.
sub private_folder {
    my ($path) = @_;
    mkdir $path, 0700 or $!{EEXIST} or die "$path: $!\n";
    return private($path);
}

sub private {
    my ($path) = @_;
    my @stat = lstat $path or die "$path: $!\n";
    -d _ && $stat[4] == $USER && !( $stat[2] & 077 ) or die "$path is not a folder of user $USER alone\n";
    return $path;
}

sub remove_folder {
    my ($path) = @_;
    unlink map {"$path/$_"} grep { !/\A\.\.?\z/ } names_in($path);
    rmdir $path;
    return;
}

# When a process started (ticks after boot), so that its pid means no other; nothing for one that is dead.
sub started {
    my ($pid) = @_;
    text_of("/proc/$pid/stat") =~ /.*\) (.*)/s or return;    # the name, in parentheses, may hold anything
    my @field = split ' ', $1;
    return $field[0] =~ /[ZXx]/ ? () : $field[19];
}

# Frames

sub joined {
    return join '', map { length($_) . ":$_," } @_;
}

sub answer {
    my ( $operation, $id, @field ) = @_;
    my $body = joined(@field);
    $unsent .= "$operation $id " . @field . ' ' . length($body) . "\n${body}end $id\n";
    $writer{ fileno STDOUT } = \&send_some;
    return 1;
}

sub send_some {
    my $sent = syswrite STDOUT, $unsent, PIECE;
    if ( defined $sent ) { substr( $unsent, 0, $sent ) = '' }
    elsif ( !$!{EAGAIN} && !$!{EINTR} ) { leave() }
    delete $writer{ fileno STDOUT } if $unsent eq '';
    return;
}

# The link is gone, or nothing on it can be trusted: looks end with it, jobs do not.
sub leave {
    kill KILL => map {-$_} keys %look;
    POSIX::_exit(0);
}

sub bye {
    my ($reason) = @_;
    answer( 'bye', 0, $reason );
    my $until = now() + FLUSH;
    while ( $unsent ne '' && now() < $until ) {
        vec( my $ready = '', fileno STDOUT, 1 ) = 1;
        send_some() if select undef, $ready, undef, 1;
    }
    leave();
}

sub fields_of {
    my ($body) = @_;
    my @field;
    while ( $body ne '' ) {
        $body =~ s/\A(\d{1,9})://  or bye('a field without its length');
        length($body) > $1         or bye('a field longer than its frame');
        push @field, substr $body, 0, $1, '';
        $body =~ s/\A,//           or bye('a field that does not end where it should');
    }
    return @field;
}

# The next whole request, or nothing.
sub request {
    my $line_end = index $received, "\n";
    if ( $line_end < 0 ) {
        bye('no header') if length $received > 100;
        return;
    }
    my ( $operation, $id, $count, $size )
        = substr( $received, 0, $line_end ) =~ /\A([a-z]{1,16}) (\d{1,18}) (\d{1,6}) (\d{1,9})\z/
        or bye('not a header');
    $size <= LONGEST or bye("a request of $size bytes");
    my $trailer = "end $id\n";
    my $whole   = $line_end + 1 + $size + length $trailer;
    return if length $received < $whole;
    substr( $received, $whole - length $trailer, length $trailer ) eq $trailer
        or bye("request $id does not end where it should");
    my @field = fields_of( substr $received, $line_end + 1, $size );
    @field == $count or bye("request $id has @{[ scalar @field ]} fields, not $count");
    substr( $received, 0, $whole ) = '';
    return ( $operation, $id, @field );
}
