# Every mount of every mount namespace: PID, own or other, and the line of mountinfo as the kernel wrote it.
for my $space (namespaces()) {
    for my $mount (split /\n/, $space->{mounts}) {
        print join("\t", $space->{pid}, $space->{own} ? 'own' : 'other', $mount), "\n";
    }
}
