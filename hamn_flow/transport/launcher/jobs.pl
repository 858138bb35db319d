# Generations, and commands that change something: jobs.
#
# What it keeps, for this boot, in BASE/<boot id>/ (BASE: /run/hamn-flow, or /tmp/hamn-flow-<uid> for others than root):
#
#   gen/0000000007/owner     Generations, each with its owner; the greatest is the present one. A generation is put in
#                            place whole, by renaming a folder onto a name that must not exist, so it can only rise.
#   jobs/KEY/                A job. Put in place the same way, so a key is used once. Values are names, never contents:
#       running.W.S.G        the wrapper has the pid W and started S ticks after boot; the command's group is G
#       unended              becomes one of these by renaming, which works on a full disk:
#       ended.STATUS.MS      the command ended (STATUS is minus the signal, if one ended it) after so many milliseconds
#       ended.STATUS.MS.full the same, and the disk was full then: what was printed may be cut
#       refused              the generation was not the present one: never ran
#       output, errors       what it printed
#
# A job's wrapper has a session of its own. It claims the key, THEN looks at the generation, and only then lets the
# command go. So who claims the next generation and then finds no job knows that none will come.
# Job folders stay until the node boots: what was asked under a key must be known as long as it may be asked.

sub generation {
    my ($greatest) = sort { $b cmp $a } grep {/\A\d{10}\z/} names_in("$home/gen");
    return defined $greatest ? ( $greatest + 0, text_of("$home/gen/$greatest/owner") ) : ( 0, '' );
}

# Compare and set: only over the holder that was seen, so of two who saw the same one claims and the other is told.
sub claim {
    my ( $id, $generation, $holder, $owner ) = @_;
    my ( $present, $now ) = generation();
    if ( $present == $generation && $now eq $holder ) {
        my $new = "$home/gen/new.$$";
        remove_folder($new);
        mkdir $new, 0700 or die "$new: $!\n";
        write_all( create("$new/owner"), $owner );
        place( $new, sprintf '%s/gen/%010d', $home, $present + 1 );
    }
    return held($id);
}

sub held {
    my ($id) = @_;
    my ( $present, $holder ) = generation();
    my @stat    = stat sprintf '%s/gen/%010d', $home, $present;
    my $age     = @stat && $stat[9] < time ? time - $stat[9] : 0;
    my @running = grep { may_run($_) } keys_known();
    return answer( 'held', $id, $present, $holder, $age, joined(@running) );
}

# One that cannot be read is not known to have ended: who asks for it is told why.
sub may_run {
    my ($key) = @_;
    my ($state) = eval { standing( folder_of($key) ) };
    return !defined $state || $state eq 'running';
}

sub keys_known {
    my @name = grep { !/\A(?:\.|%new)/ } names_in("$home/jobs");
    s/%([0-9A-F]{2})/chr hex $1/ge for @name;
    return @name;
}

sub folder_of {
    my ($key) = @_;
    $key =~ s/([^A-Za-z0-9_,:=\@.-]|\A\.)/sprintf '%%%02X', ord $1/ge;
    return "$home/jobs/$key";
}

sub launch {
    my ( $id, @request ) = @_;
    pipe my $word, my $word_end or die "pipe: $!\n";
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    if ( !$pid ) {
        close $word;
        POSIX::close($_) for grep { $_ > 2 } keys %{ { %reader, %writer } };
        my $say = sub { syswrite $word_end, joined(@_) };
        my $new = sprintf '%s/jobs/%%new.%d.%d', $home, $$, started($$);    # no key looks like that
        if ( !eval { wrap( $say, $new, $id, @request ); 1 } ) {
            $say->( 'failed', $id, $@ );
            remove_folder($new);
        }
        POSIX::_exit(0);
    }
    my $said = 0;
    $word->blocking(0);
    $reader{ fileno $word } = sub {
        my $size = sysread $word, my $piece, PIECE;
        return if !defined $size && ( $!{EAGAIN} || $!{EINTR} );
        if ($size) { $said = answer( fields_of($piece) ) }    # the wrapper writes it at once, so it comes whole
        else {
            answer( 'vanished', $id ) if !$said;
            hang_up($word);    # and this turn of the loop tells those who wait for the job
        }
    };
    return;
}

# The wrapper: nothing that happens to the link or the launcher reaches it.
sub wrap {
    my ( $say, $new, $id, $key, $generation, $owner, $argv, $environment, $text ) = @_;
    POSIX::setsid();
    $SIG{$_} = 'IGNORE' for qw(HUP INT QUIT PIPE TERM);
    $SIG{CHLD} = 'DEFAULT';
    $0 = "hamn-flow job $key";
    POSIX::dup2( fileno $NOTHING, $_ ) for 0 .. 2;

    # All that can fail comes before the claim; the command waits at a gate that closes if we die.
    my $start = started($$);
    mkdir $new, 0700 or die "$new: $!\n";
    my ( $unended, $output, $errors ) = map { create("$new/$_") } qw(unended output errors);
    my $input = $NOTHING;
    if ( $text ne '' ) {
        write_all( create("$new/input"), $text );
        open $input, '<', "$new/input" or die "$new/input: $!\n";
        unlink "$new/input";
    }
    pipe my $gate, my $gate_end or die "pipe: $!\n";
    my $command = fork;
    defined $command or die "fork: $!\n";
    if ( !$command ) {
        close $gate_end;
        sysread $gate, my $go, 1 or POSIX::_exit(1);
        become( $argv, $environment, $input, $output, $errors );
    }
    setpgrp $command, $command;
    create("$new/running.$$.$start.$command");

    my $folder = folder_of($key);
    place( $new, $folder ) or return $say->( 'launched', $id, 0 );
    my ( $present, $holder ) = generation();
    if ( $present != $generation || $holder ne $owner ) {
        rename "$folder/unended", "$folder/refused";
        return $say->( 'stale', $id, $present, $holder );
    }
    $say->( 'launched', $id, 1 );

    my $since = now();
    syswrite $gate_end, '!';
    close $gate_end;
    waitpid $command, 0;
    my $ended = sprintf 'ended.%d.%d', status_of($?), 1000 * ( now() - $since );
    $ended .= '.full' if !syswrite $unended, ' ' x 4096;
    truncate $unended, 0;
    rename "$folder/unended", "$folder/$ended";
    return;
}

# The state of a key; with `running` the group, with `done` the status and the milliseconds.
sub standing {
    my ($folder) = @_;
    for my $again ( 0, 1 ) {
        my @name = names_in($folder) or return 'none';
        for (@name) {
            return ( 'done', $1, $2, $3 ) if /\Aended\.(-?\d+)\.(\d+)(\.full)?\z/;
            return $_ if $_ eq 'refused';
        }
        # It may have ended while the folder was read: only who finds nothing again says that it is lost.
        for (@name) {
            next if !/\Arunning\.(\d+)\.(\d+)\.(\d+)\z/;
            return ( 'running', $3 ) if ( started($1) || 0 ) == $2;
        }
    }
    return 'lost';
}

sub tell_standing {
    my ( $id, $key, @standing ) = @_;
    my ( $state, $status, $milliseconds, $full ) = @standing;
    return answer( 'standing', $id, $state, 0, '0' ) if $state ne 'done';
    my $folder = folder_of($key);
    for ( [ 1, 'output' ], [ 2, 'errors' ] ) {
        my ( $number, $name ) = @{$_};
        my $file;
        if ( !open $file, '<', "$folder/$name" ) {
            answer( 'output', $id, 2, "hamn-flow: $folder/$name: $!\n" );
            next;
        }
        my $room = MOST_OUTPUT;
        while ( $room > 0 && sysread $file, my $piece, PIECE ) {
            answer( 'output', $id, $number, $piece );
            $room -= length $piece;
        }
        answer( 'output', $id, 2, "hamn-flow: the rest is in $folder/$name\n" ) if $room <= 0;
    }
    answer( 'output', $id, 2, "hamn-flow: the disk of $folder was full; output may be missing\n" ) if $full;
    return answer( 'standing', $id, 'done', $status, sprintf '%.3f', $milliseconds / 1000 );
}

sub ask { my ( $id, $key ) = @_; return tell_standing( $id, $key, standing( folder_of($key) ) ) }

sub wait_for {
    my ( $id, $key, $seconds ) = @_;
    push @waits, { id => $id, key => $key, until => now() + $seconds };
    return;
}

sub tell_waiting {
    my @still;
    for my $wait (@waits) {
        my ( $id, $key ) = @{$wait}{qw(id key)};
        my @standing = eval { standing( folder_of($key) ) };
        if    ( !@standing )                                            { answer( 'failed', $id, $@ ) }
        elsif ( $standing[0] eq 'running' && now() < $wait->{until} ) { push @still, $wait }
        else                                                            { tell_standing( $id, $key, @standing ) }
    }
    @waits = @still;
    return;
}

sub cancel {
    my ( $id, $key, $signal ) = @_;
    my ( $state, $group ) = standing( folder_of($key) );
    return answer( 'signalled', $id, $state eq 'running' && kill( $signal => -$group ) ? 1 : 0 );
}
