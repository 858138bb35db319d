package LabXcat;

# What every stand-in for one of xCAT's commands shares: is xcatd there, and what do the tables say.
#
#   need_xcatd()            returns if xcatd answers or XCATBYPASS is set; else says why not, and exits 111
#   handle([$table])        DBI handle to the database that /etc/xcat/cfgloc names, else to the SQLite file of a table
#   database() *            (engine, database, host, user); the engine alone for SQLite
#   rows($table) *          list of hashes, in the order of the first column
#   site($key)              a value of the site table, or ''
#   tables(), columns($t)   all names of tables, and of a table's columns
#   put($t, {key}, {set}) * changes the rows with these values, or adds one
#   add($t, {row}) *        adds a row
#   take_out($t, {key}) *   deletes the rows with these values; without any, all
#   nodes($noderange)       names of the nodes and groups in a,b,c that are defined; complains about others
#   complain($sentence)     Error: [HOST]: SENTENCE
#   forget()                closes what is open
#   keep_location()         from now on the database is where /etc/xcat says now, whatever becomes of that
#   ask_xcatd($name, ...)   what the function of that name returns in xcatd; answer($socket) is xcatd's side of it
#
# After need_xcatd() xcatd itself does what is marked *, with the database that it had when it started.
# A database that cannot be reached ends the command with its complaint and exit status 1. Within attempt(sub {...})
# that and a missing xcatd are exceptions.

use strict;
use warnings;
use DBI;
use IO::Socket::INET;
use IO::Socket::UNIX;
use LabXcat::Schema;
use Storable qw(fd_retrieve store_fd);
use Sys::Hostname qw(hostname);
use Time::HiRes qw(sleep);

our $DIRECTORY = '/etc/xcat';
our $PORT      = 3001;
our $WORKER    = '/run/xcatd-tables';    # where xcatd's DB Access is asked, by root alone
our @WAITS     = (1, 2, 4);              # seconds between the tries to connect to the database
our $LOADING   = 0.12;                   # seconds that the real ones take longer to load and to greet
our $NO_HANDLE = 'Could not connect to the database. Database handle not defined.';

my %handles;      # by the file or server that they are of
my %made;         # tables that are known to be there, likewise
my $host_name;    # as the xcatd that answers knew it when it started
my $loaded = 0;
my $by_xcatd = 0;
my @location;     # from keep_location() on
our $attempting = 0;

STDOUT->autoflush;    # what is said on both outputs stays in its order

sub tables  { return LabXcat::Schema::tables() }
sub columns { return LabXcat::Schema::columns($_[0]) }

sub host_name { return $host_name // hostname() }

sub complain {
    my ($sentence) = @_;
    print STDERR 'Error: [' . host_name() . "]: $sentence\n";
    return;
}

sub attempt {
    my ($do) = @_;
    local $attempting = 1;
    return $do->();
}

sub _fail {
    my ($sentence) = @_;
    die "$sentence\n" if $attempting;
    complain($sentence);
    exit 1;
}

sub need_xcatd {
    sleep $LOADING if !$loaded++;
    return if $ENV{XCATBYPASS};
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $PORT, Proto => 'tcp', Timeout => 30);
    my $why    = $@;
    my $answer = $socket ? <$socket> : undef;
    if (!defined $answer) {
        $why =~ s/^(IO::Socket::INET: )+//;
        $why ||= 'connect: Connection refused';
        my $said = "Connection failure: IO::Socket::INET: $why at /opt/xcat/lib/perl/xCAT/Client.pm line 248.\n"
            . "Unable to open socket connection to xcatd daemon on localhost:$PORT.\n"
            . "Verify that the xcatd daemon is running and that your SSL setup is correct.\n";
        die $said if $attempting;
        print STDERR $said;
        exit 111;
    }
    chomp($host_name = $answer);
    $by_xcatd = 1;
    return;
}

# What a function of this package does in xcatd.
sub ask_xcatd {
    my (@asked) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $WORKER) or _fail("$NO_HANDLE\n$WORKER: $!");
    store_fd(\@asked, $socket);
    $socket->flush;
    my $answer = eval { fd_retrieve($socket) } // ["$NO_HANDLE\n$WORKER: no answer"];
    my ($failure, @found) = @{$answer};
    _fail($failure) if $failure ne '';
    return @found;
}

# Does so for those who ask on a socket, one after the other.
sub answer {
    my ($socket) = @_;
    while (1) {
        my $caller = $socket->accept or next;
        my $asked = eval { fd_retrieve($caller) } // next;
        my ($function, @arguments) = @{$asked};
        my @found;
        my $failure = attempt(sub { eval { @found = LabXcat->can($function)->(@arguments); 1 } }) ? '' : $@;
        chomp $failure;
        eval { store_fd([$failure, @found], $caller) };    # who asked may be gone
    }
    return;
}

sub keep_location { @location = _location(); return }

# (engine, database, host, user, password); the engine alone for SQLite. The password leaves this file only for DBI.
sub _location {
    return @location if @location;
    open(my $file, '<', "$DIRECTORY/cfgloc") or return ('SQLite');
    my $line = <$file> // '';
    chomp $line;
    my ($engine, $database, $host, $user, $password) = $line =~ /^(\w+):dbname=([^;|]+);host=([^|]+)\|([^|]+)\|(.*)$/;
    return $engine ? ($engine, $database, $host, $user, $password) : ('SQLite');
}

sub database {
    return ask_xcatd('database') if $by_xcatd;
    my ($engine, $database, $host, $user) = _location();
    return ($engine, $database, $host, $user);
}

sub handle {
    my ($table) = @_;
    $table //= 'site';
    columns($table) or _fail("No such table: $table");
    my ($engine, $database, $host, $user, $password) = _location();
    my $source
        = $engine eq 'SQLite'
        ? "dbi:SQLite:dbname=$DIRECTORY/$table.sqlite"
        : "dbi:$engine:dbname=$database;host=$host;connect_timeout=10";
    my $handle = $handles{$source};
    if (!$handle || $engine ne 'SQLite' && !$handle->ping) {    # SQLite's asks whether there is a file of that name now
        delete $made{$source};
        my %how = (PrintError => 0, RaiseError => 0, AutoCommit => 1, PrintWarn => 0);
        for my $wait (@WAITS, 0) {
            $handle = DBI->connect($source, $user // '', $password // '', \%how) and last;
            sleep $wait;
        }
        $handle or _fail("$NO_HANDLE\n" . ($DBI::errstr // ''));
        $handle->do('SET client_min_messages = warning') if $engine eq 'Pg';
        $handle->sqlite_busy_timeout(10_000) if $engine eq 'SQLite';
        $handles{$source} = $handle;
    }
    _make($handle, $table) if !$made{$source}{$table};
    $made{$source}{$table} = 1;
    return $handle;
}

sub forget {
    $_->disconnect for values %handles;
    %handles = %made = ();
    return;
}

# A table that is missing is made by opening it, also with a database that nobody meant: a fault of the real one.
sub _make {
    my ($handle, $table) = @_;
    my @columns = columns($table);
    my %there   = map { lc($_) => 1 } @{ _columns_there($handle, $table) };
    my @missing = grep { !$there{ lc $_ } } @columns;
    my $name    = $handle->quote_identifier($table);
    my $wanted  = join ', ', map { $handle->quote_identifier($_) . ' TEXT' } @columns;
    my @change
        = !%there
        ? "CREATE TABLE IF NOT EXISTS $name ($wanted)"
        : map {"ALTER TABLE $name ADD COLUMN " . $handle->quote_identifier($_) . ' TEXT'} @missing;
    $handle->do($_) or _fail($handle->errstr) for @change;
    return;
}

sub _columns_there {
    my ($handle, $table) = @_;
    return $handle->selectcol_arrayref('SELECT name FROM pragma_table_info(?)', undef, $table) || []
        if $handle->{Driver}{Name} eq 'SQLite';
    my $asked = 'SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()';
    return $handle->selectcol_arrayref("$asked AND table_name = ?", undef, $table) || [];
}

sub rows {
    return ask_xcatd('rows', @_) if $by_xcatd;
    my ($table) = @_;
    my $handle  = handle($table);
    my @columns = columns($table);
    my $list    = join ', ', map { $handle->quote_identifier($_) } @columns;
    my $found   = $handle->selectall_arrayref("SELECT $list FROM " . $handle->quote_identifier($table), { Slice => {} })
        or _fail($handle->errstr);
    my @keyed = map { [ join("\0", map { lc($_ // '') } @{$_}{@columns}), $_ ] } @{$found};
    return map { $_->[1] } sort { $a->[0] cmp $b->[0] } @keyed;
}

sub site {
    my ($key) = @_;
    my ($row) = grep { ($_->{key} // '') eq $key } rows('site');
    return $row ? $row->{value} // '' : '';
}

# "a" = ? AND "b" = ?, and its values
sub _named {
    my ($handle, $between, $values) = @_;
    my @names = sort keys %{$values};
    return (join($between, map { $handle->quote_identifier($_) . ' = ?' } @names), map { $values->{$_} } @names);
}

sub _do {
    my ($handle, $statement, @values) = @_;
    my $count = $handle->do($statement, undef, @values);
    _fail($handle->errstr) if !defined $count;
    return $count + 0;
}

sub put {
    return ask_xcatd('put', @_) if $by_xcatd;
    my ($table, $key, $set) = @_;
    my $handle = handle($table);
    my $name   = $handle->quote_identifier($table);
    my ($where, @where) = _named($handle, ' AND ', $key);
    my ($change, @change) = _named($handle, ', ', { %{$key}, %{$set} });
    return if _do($handle, "UPDATE $name SET $change WHERE $where", @change, @where);
    add($table, { %{$key}, %{$set} });
    return;
}

sub add {
    return ask_xcatd('add', @_) if $by_xcatd;
    my ($table, $row) = @_;
    my $handle = handle($table);
    my @names  = sort keys %{$row};
    my $list   = join ', ', map { $handle->quote_identifier($_) } @names;
    my $marks  = join ', ', ('?') x @names;
    _do($handle, 'INSERT INTO ' . $handle->quote_identifier($table) . " ($list) VALUES ($marks)", @{$row}{@names});
    return;
}

sub take_out {
    return ask_xcatd('take_out', @_) if $by_xcatd;
    my ($table, $key) = @_;
    my $handle = handle($table);
    my ($where, @where) = _named($handle, ' AND ', $key);
    return _do($handle, 'DELETE FROM ' . $handle->quote_identifier($table) . ($where ? " WHERE $where" : ''), @where);
}

# The nodes of a noderange that is a list of names and groups; the whole list if one is not defined.
sub nodes {
    my ($range) = @_;
    my @all     = rows('nodelist');
    my @found;
    for my $word (split /,/, $range) {
        my @meant = grep { $_->{node} eq $word || grep { $_ eq $word } split /,/, $_->{groups} // '' } @all;
        _fail("Invalid nodes and/or groups in noderange: $word") if !@meant;
        push @found, map { $_->{node} } @meant;
    }
    my %seen;
    return grep { !$seen{$_}++ } @found;
}

# A table as tabdump prints it: values that are there in quotes, one row a line.
sub as_csv {
    my ($table) = @_;
    my @columns = columns($table);
    my @lines   = '#' . join(',', @columns);
    for my $row (rows($table)) {
        push @lines, join ',', map { my $v = $row->{$_} // ''; $v =~ s/"/""/g; $v eq '' ? '' : qq("$v") } @columns;
    }
    return join '', map {"$_\n"} @lines;
}

1;
