# Signal a process if it is still the one that started then. A pid is not given to another within the moment between
# the look and the signal, for pids go round.

my ($signal, $pid, $started) = @ARGV;
die "usage: signal.pl TERM|KILL PID STARTED\n"
    unless @ARGV == 3 && $signal =~ /^(?:TERM|KILL)\z/ && $pid =~ /^\d+\z/ && $started =~ /^\d+\z/;
die "process $pid is never signalled\n" if $pid <= 1;

my $facts = facts_of($pid);
if (!defined $facts || $facts->{started} ne $started || $facts->{state} =~ /[ZX]/) {
    print "gone\n";
}
elsif (kill $signal, $pid) {
    print "sent\n";
}
elsif ($!{ESRCH}) {
    print "gone\n";
}
else {
    die "process $pid: $!\n";
}
