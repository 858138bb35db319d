# The loop: what to do when something can be read or written, has ended or is due.

my $KEY     = qr/.{1,200}/s;
my $SECONDS = qr/\d{1,9}(?:\.\d{1,6})?/;
my $NAME    = qr/[A-Za-z0-9_-]{1,60}/;
my $ANY     = qr/.*/s;
my $WORDS   = 'any number of words';
my $COMMAND = 'one word or more';
my %operation = (    # what to do, and what its fields must be
    look    => [ \&look,     $COMMAND, $WORDS, $ANY, $SECONDS ],
    launch  => [ \&launch,   $KEY, qr/\d{1,10}/, qr/.{1,1000}/s, $COMMAND, $WORDS, $ANY ],
    holding => [ \&held ],
    claim   => [ \&claim,   qr/\d{1,10}/, qr/.{0,1000}/s, qr/.{1,1000}/s ],
    ask     => [ \&ask,      $KEY ],
    wait    => [ \&wait_for, $KEY, $SECONDS ],
    cancel  => [ \&cancel,   $KEY, qr/TERM|KILL/ ],
    keep    => [ \&keep,    $NAME, qr/\d{1,9}/, $ANY, qr/\d{1,10}/, qr/.{0,1000}/s ],
    copies  => [ \&list_copies ],
    fetch   => [ \&fetch,   $NAME ],
    aside   => [ \&aside,   $NAME, qr/\d{1,10}/, qr/.{1,1000}/s ],
    ping    => [ sub { answer( 'pong', $_[0] ) } ],
);

sub receive {
    my $size = sysread STDIN, $received, PIECE, length $received;
    return if !defined $size && ( $!{EAGAIN} || $!{EINTR} );
    leave() if !$size;    # half a request is dropped with the link
    while ( my ( $name, $id, @field ) = request() ) {
        my ( $do, @form ) = @{ $operation{$name} || bye("no operation $name") };
        @form == @field or bye("$name with @{[ scalar @field ]} fields");
        for ( 0 .. $#form ) {
            if ( $form[$_] eq $WORDS || $form[$_] eq $COMMAND ) { $field[$_] = [ fields_of( $field[$_] ) ] }
            else { $field[$_] =~ /\A$form[$_]\z/ or bye("$name with a field that it cannot have") }
            bye("$name without a command") if $form[$_] eq $COMMAND && !@{ $field[$_] };
        }
        eval { $do->( $id, @field ); 1 } or answer( 'failed', $id, $@ );
    }
    return;
}

sub bits {
    my $bits = '';
    vec( $bits, $_, 1 ) = 1 for @_;
    return $bits;
}

sub serve {
    my $sleep = SHORT_SLEEP;
    while (1) {

        # Perl runs a signal's handler between two operations, so a child that ends just before `select` does not wake
        # it. Therefore no sleep is long while a child is awaited, and the shorter the more happens.
        my $patience = %look || @waits ? $sleep : undef;
        my ( $read, $write ) = ( bits( length $unsent > ENOUGH ? () : keys %reader ), bits( keys %writer ) );
        my $ready = select $read, $write, undef, $patience;
        if ( $ready > 0 ) {
            for ( keys %reader ) { $reader{$_}->() if vec( $read,  $_, 1 ) && $reader{$_} }
            for ( keys %writer ) { $writer{$_}->() if vec( $write, $_, 1 ) && $writer{$_} }
        }
        my $reaped = reap();
        my $now    = now();
        $look{$_}{until} <= $now and finish( $_, 'overdue' ) for keys %look;
        tell_waiting() if @waits;
        $sleep = $ready > 0 || $reaped ? SHORT_SLEEP : $sleep * 2 < LONG_SLEEP ? $sleep * 2 : LONG_SLEEP;
    }
    return;
}

$0 = 'hamn-flow launcher';
%ENV = (    # what every command finds, whatever this session began with
    PATH     => '/usr/sbin:/usr/bin:/sbin:/bin:/opt/xcat/bin:/opt/xcat/sbin',
    LC_ALL   => 'C',
    TERM     => 'dumb',
    XCATROOT => '/opt/xcat',
    HOME     => $HOME,
);
chdir '/';    # holds no file system that must be unmounted
umask 077;
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = sub { };    # only so that `select` returns
$_->blocking(0) for *STDIN, *STDOUT;

my $boot_id = text_of('/proc/sys/kernel/random/boot_id') =~ /([\w-]+)/ ? $1 : 'unknown';
my $ready   = eval {
    my $base = shift @ARGV;
    $copies = folder_of_copies($base);
    $base = $USER ? "/tmp/hamn-flow-$USER" : '/run/hamn-flow' if !defined $base || $base eq '';
    $home = private_folder( private_folder($base) . "/$boot_id" );
    private_folder("$home/$_") for qw(gen jobs);
    1;
};
bye($@) if !$ready;
answer( 'hello', 0, $boot_id, generation(), $USER );
$reader{ fileno STDIN } = \&receive;
eval { serve() };
bye($@);
