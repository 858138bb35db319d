# All processes but kernel threads and the dead: PID, start time, user, unit, title.
for my $pid (pids()) {
    my $facts = facts_of($pid);
    next if !defined $facts || $facts->{kernel} || $facts->{state} =~ /[ZX]/;
    line($pid, $facts->{started}, user_of($pid), unit_of($pid), title_of($pid, $facts));
}
