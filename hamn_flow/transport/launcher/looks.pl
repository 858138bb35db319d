# Commands, and waiting for those that only read: looks.

# In a new process: become the command, in a process group of its own and with nothing inherited.
sub become {
    my ( $argv, $environment, $input, $output, $errors ) = @_;
    setpgrp 0, 0;
    POSIX::dup2( fileno $input,  0 );
    POSIX::dup2( fileno $output, 1 );
    POSIX::dup2( fileno $errors, 2 );
    $SIG{$_} = 'DEFAULT' for grep { $SIG{$_} } qw(HUP INT QUIT PIPE TERM);
    umask 022;
    %ENV = ( %ENV, map { /\A([^=]+)=(.*)\z/s } @{$environment} ) if @{$environment};
    { no warnings 'exec'; exec { $argv->[0] } @{$argv} }
    my ( $reason, $status ) = ( "$!", $!{ENOENT} ? 127 : 126 );    # as the shell has it
    syswrite STDERR, "$argv->[0]: $reason\n";
    POSIX::_exit($status);
}

# As `Result` has it: minus the signal, if one ended it.
sub status_of { return $_[0] & 127 ? -( $_[0] & 127 ) : $_[0] >> 8 }

sub look {
    my ( $id, $argv, $environment, $text, $seconds ) = @_;
    pipe my $output, my $output_end or die "pipe: $!\n";
    pipe my $errors, my $errors_end or die "pipe: $!\n";
    my ( $input_end, $input ) = ( $NOTHING, undef );
    if ( $text ne '' ) { pipe $input_end, $input or die "pipe: $!\n" }
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    become( $argv, $environment, $input_end, $output_end, $errors_end ) if !$pid;
    setpgrp $pid, $pid;    # whoever of the two comes first
    my $now = now();
    my @stream = ( [ 1, $output ], [ 2, $errors ] );
    $look{$pid} = { id => $id, since => $now, until => $now + $seconds, printed => 0, in => $input, streams => \@stream };
    for my $stream (@stream) {
        $stream->[1]->blocking(0);
        $reader{ fileno $stream->[1] } = sub { relay( $pid, @{$stream} ) };
    }
    return if !defined $input;
    $input->blocking(0);
    $writer{ fileno $input } = sub {
        my $sent = syswrite $input, $text;
        return if !defined $sent && ( $!{EAGAIN} || $!{EINTR} );
        substr( $text, 0, $sent ) = '' if defined $sent;
        hang_up($input) if !defined $sent || $text eq '';    # it need not read all
    };
    return;
}

sub hang_up {
    my ($handle) = @_;
    my $descriptor = defined $handle ? fileno $handle : undef;
    return if !defined $descriptor;
    delete $reader{$descriptor};
    delete $writer{$descriptor};
    close $handle;
    return;
}

# Pass on one piece of what a look printed; false when there is none.
sub relay {
    my ( $pid, $number, $handle ) = @_;
    my $look = $look{$pid};
    my $size = sysread $handle, my $piece, PIECE;
    if ( !$size ) {
        hang_up($handle) if defined $size || !( $!{EAGAIN} || $!{EINTR} );
        return 0;
    }
    answer( 'output', $look->{id}, $number, $piece );
    $look->{printed} += $size;
    if ( $look->{printed} > MOST_OUTPUT ) {
        finish( $pid, 'failed', "it printed more than ${\ MOST_OUTPUT} bytes, and was killed" );
        return 0;
    }
    return 1;
}

# A look is over: answer, and let go of its pipes, which its children may still hold.
sub finish {
    my ( $pid, $operation, @field ) = @_;
    my $look = delete $look{$pid} or return;
    kill KILL => -$pid if $operation ne 'ended';
    hang_up($_) for $look->{in}, map { $_->[1] } @{ $look->{streams} };
    answer( $operation, $look->{id}, @field );
    return;
}

sub reap {
    my $reaped = 0;
    while ( ( my $pid = waitpid -1, POSIX::WNOHANG() ) > 0 ) {
        my $status = status_of($?);
        $reaped = 1;
        my $look = $look{$pid} or next;
        for my $stream ( @{ $look->{streams} } ) {
            # No more than a pipe holds: a child of its own may go on printing for ever.
            for ( 1 .. 16 ) { last if !defined fileno $stream->[1] || !relay( $pid, @{$stream} ) }
        }
        finish( $pid, 'ended', $status, sprintf '%.3f', now() - $look->{since} );
    }
    return $reaped;
}
