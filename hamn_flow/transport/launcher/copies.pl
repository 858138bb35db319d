# Copies of the journals of runs: text that is only ever appended to, and on the disk before the answer is given.
#
# Only by who holds the node: a piece is appended, or a copy set aside, and the generation looked at, under a lock on
# the file, which who reads it takes as well. So who claims the node and then reads a copy has all that will ever be in
# it but his own.
#
# They outlive a boot, unlike what jobs.pl keeps: /var/lib/hamn-flow/copies/RUN.copy, for others than root in their state
# folder, and below BASE where that is given.

sub folder_of_copies {
    my ($base) = @_;
    return "$base/copies" if defined $base && $base ne '';
    return $USER ? "$HOME/.local/state/hamn-flow/copies" : '/var/lib/hamn-flow/copies';
}

# Nothing is made by who only asks.
sub path_of_copy {
    my ($copy) = @_;
    if ( lstat $copies ) { private($copies) }
    elsif ( !$!{ENOENT} ) { die "$copies: $!\n" }
    return "$copies/$copy.copy";
}

sub make_folder_of_copies {
    my $path = '';
    for ( grep { $_ ne '' } split m{/}, $copies ) {
        $path .= "/$_";
        mkdir $path, 0700 or $!{EEXIST} or die "$path: $!\n";
    }
    return private($copies);
}

# Nothing else is answered meanwhile, so who is at it has a moment and no more: its disk may hang.
sub take_turn {
    my ( $file, $how, $path ) = @_;
    my $until = now() + TURN;
    until ( flock $file, $how | Fcntl::LOCK_NB() ) {
        $!{EWOULDBLOCK} or die "$path: $!\n";
        now() < $until  or die "$path is locked: another connection is still reading or writing it\n";
        select undef, undef, undef, SHORT_SLEEP;
    }
    return;
}

sub keep {
    my ( $id, $copy, $at, $text, $generation, $owner ) = @_;
    my $path = path_of_copy($copy);
    return kept( $id, $path ) if $text eq '';
    make_folder_of_copies();
    my $fresh = !-e $path;
    sysopen my $file, $path, Fcntl::O_WRONLY() | Fcntl::O_APPEND() | Fcntl::O_CREAT(), 0600 or die "$path: $!\n";
    take_turn( $file, Fcntl::LOCK_EX(), $path );
    my ( $present, $holder ) = generation();
    return answer( 'stale', $id, $present, $holder ) if $present != $generation || $holder ne $owner;
    if ( ( -s $file || 0 ) == $at ) {
        eval { append( $file, $path, $text, $fresh ); 1 } or forsake( $path, $at, $@ );
    }
    return kept( $id, $path );
}

sub append {
    my ( $file, $path, $text, $fresh ) = @_;
    write_all( $file, $text );
    $file->sync or die "$path: $!\n";
    sync_folder($copies) if $fresh;
    return;
}

# What could not be appended may be the intent of a launch that is in the pipe already, and the driver dead before it
# hears of it. What was kept until then would be taken for all there is, so it is set aside at once. Where that fails as
# well, what was written in part stays, as such a copy is not whole.
sub forsake {
    my ( $path, $at, $reason ) = @_;
    if ( !$at ) { unlink $path }
    elsif ( !eval { put_aside($path); 1 } ) {
        chomp $reason;
        $reason .= "; nor can it be set aside: $@";
    }
    die $reason;
}

sub kept {
    my ( $id, $path ) = @_;
    my ( $size, $end ) = ( 0, '' );
    if ( open my $file, '<', $path ) {
        $size = -s $file || 0;
        sysseek $file, $size > 65 ? $size - 65 : 0, 0;
        defined sysread $file, $end, 65 or die "$path: $!\n";
    }
    elsif ( !$!{ENOENT} ) { die "$path: $!\n" }
    return answer( 'kept', $id, $size, $end );
}

sub list_copies {
    my ($id) = @_;
    return answer( 'listed', $id, joined( map { /\A(.*)\.copy\z/s ? $1 : () } names_in($copies) ) );
}

sub fetch {
    my ( $id, $copy ) = @_;
    my $path = path_of_copy($copy);
    if ( open my $file, '<', $path ) {
        take_turn( $file, Fcntl::LOCK_SH(), $path );
        while (1) {
            my $size = sysread $file, my $piece, PIECE;
            defined $size or die "$path: $!\n";
            last if !$size;
            answer( 'output', $id, 1, $piece );
        }
    }
    elsif ( !$!{ENOENT} ) { die "$path: $!\n" }
    return kept( $id, $path );
}

sub aside {
    my ( $id, $copy, $generation, $owner ) = @_;
    my $path  = path_of_copy($copy);
    my $there = open my $file, '<', $path;
    $there || $!{ENOENT} or die "$path: $!\n";
    take_turn( $file, Fcntl::LOCK_EX(), $path ) if $there;
    my ( $present, $holder ) = generation();
    return answer( 'stale', $id, $present, $holder ) if $present != $generation || $holder ne $owner;
    put_aside($path) if $there;
    return kept( $id, $path );
}

sub put_aside {
    my ($path) = @_;
    my $name   = "$path.aside";
    my $number = 0;
    while ( -e $name ) { $name = "$path.aside." . ++$number }
    rename $path, $name or die "$path: $!\n";
    return sync_folder($copies);
}

sub sync_folder {
    my ($path) = @_;
    open my $folder, '<', $path or die "$path: $!\n";
    $folder->sync or die "$path: $!\n";
    return;
}
