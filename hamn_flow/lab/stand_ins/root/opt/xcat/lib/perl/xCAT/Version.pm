package xCAT::Version;

use strict;
use warnings;

my $VERSION = '2.19.0';

# `short`: the number alone.
sub Version {
    my (undef, $form) = @_;
    return $VERSION if ($form // '') eq 'short';
    return "Version $VERSION (git commit 0000000, built Mon Aug  3 00:00:00 UTC 2026)";
}

1;
