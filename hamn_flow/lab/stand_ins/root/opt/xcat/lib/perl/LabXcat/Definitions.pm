package LabXcat::Definitions;

# Object definitions: lsdef, chdef, mkdef and rmdef over the tables that they are kept in.

use strict;
use warnings;
use Getopt::Long qw(GetOptionsFromArray :config bundling no_ignore_case);
use LabXcat;

# The first table of a type has a row for each object, the column names it.
my %TYPES = (
    node    => { tables => [qw(nodelist hosts mac nodehm noderes nodetype)], column => 'node' },
    network => { tables => ['networks'], column => 'netname' },
    osimage => { tables => ['osimage'], column => 'imagename' },
    policy  => { tables => ['policy'], column => 'priority' },
    site    => { tables => ['site'], column => 'key' },
);
my $SITE = 'clustersite';    # the one object of type site; its attributes are rows

# lsdef [-t TYPE] [-o] [NAMES] [-i ATTRIBUTES] [-l]
sub lsdef {
    my ($type, $names, $given) = _asked(@_);
    my %there  = map { $_ => 1 } _names($type);
    my @asked  = @{$names} ? _expanded($type, @{$names}) : sort keys %there;
    my @wanted = sort split /,/, $given->{i} // '';
    my $brief  = !$given->{l} && !@wanted && !@{$names};
    LabXcat::complain("Could not find an object named '$_' of type '$type'.") for grep { !$there{$_} } @asked;
    my @found = grep { $there{$_} } @asked;
    for my $name (@found) {
        if ($brief) {
            print "$name  ($type)\n";
            next;
        }
        my $is    = _attributes($type, $name);
        my @shown = !@wanted ? sort keys %{$is} : $type eq 'site' ? grep { defined $is->{$_} } @wanted : @wanted;
        print "Object name: $name\n", map { "    $_=" . ($is->{$_} // '') . "\n" } @shown;
    }
    print "No object definitions have been found\n" if !@found;
    return @found == @asked ? 0 : 1;
}

# chdef [-t TYPE] [-o] NAMES ATTRIBUTE=VALUE ...; an object that is not there is made
sub chdef {
    my ($type, $names, undef, %set) = _asked(@_);
    return _write('chdef', $type, $names, \%set);
}

# mkdef [-t TYPE] [-o] NAMES [-f] ATTRIBUTE=VALUE ...
sub mkdef {
    my ($type, $names, $given, %set) = _asked(@_);
    my %there = map { $_ => 1 } _names($type);
    for my $name ($given->{f} ? () : @{$names}) {
        next if !$there{$name};
        LabXcat::complain("The object '$name' of type '$type' is already defined.");
        return 1;
    }
    return _write('mkdef', $type, $names, \%set);
}

# rmdef [-t TYPE] [-o] NAMES
sub rmdef {
    my ($type, $names) = _asked(@_);
    return _nameless('rmdef') if !@{$names};
    my %there = map { $_ => 1 } _names($type);
    my @gone  = grep { $there{$_} } _expanded($type, @{$names});
    for my $name (@gone) {
        LabXcat::take_out($_, { $TYPES{$type}{column} => $name }) for @{ $TYPES{$type}{tables} };
    }
    for my $name (grep { !$there{$_} } _expanded($type, @{$names})) {
        LabXcat::complain("Could not find an object named '$name' of type '$type'.");
    }
    print @gone ? scalar(@gone) . " object definitions have been removed.\n" : "No objects have been removed.\n";
    return @gone ? 0 : 1;
}

# (type, [names], {options}, attributes)
sub _asked {
    my @words = @_;
    my %given;
    if (!GetOptionsFromArray(\@words, \%given, 't=s', 'o=s', 'i=s', 'l', 'f') || !$TYPES{ $given{t} // 'node' }) {
        LabXcat::complain("The object type '$given{t}' is not valid.") if defined $given{t} && !$TYPES{ $given{t} };
        exit 1;
    }
    LabXcat::need_xcatd();
    my $type  = $given{t} // 'node';
    my %set   = map { split /=/, $_, 2 } grep {/=/} @words;
    my @names = map { split /,/ } $given{o} // (), grep { !/=/ } @words;
    @names = $SITE if $type eq 'site' && !@names;
    return ($type, \@names, \%given, %set);
}

sub _nameless {
    my ($command) = @_;
    LabXcat::complain('No object names were provided.');
    my $attributes = $command eq 'rmdef' ? '' : ' [ATTRIBUTE=VALUE ...]';
    print "Usage: $command [-t OBJECT-TYPE] [-o OBJECT-NAMES] [NODERANGE]$attributes\n";
    return 1;
}

sub _names {
    my ($type) = @_;
    return $SITE if $type eq 'site';
    return map { $_->{ $TYPES{$type}{column} } } LabXcat::rows($TYPES{$type}{tables}[0]);
}

# The nodes of the groups among the names.
sub _expanded {
    my ($type, @names) = @_;
    return @names if $type ne 'node';
    my %members;
    for my $row (LabXcat::rows('nodelist')) {
        push @{ $members{$_} }, $row->{node} for split /,/, $row->{groups} // '';
    }
    return map { @{ $members{$_} // [$_] } } @names;
}

# What is set of an object. Of two tables with a column of one name the first counts.
sub _attributes {
    my ($type, $name) = @_;
    return { map { $_->{key} => $_->{value} } LabXcat::rows('site') } if $type eq 'site';
    my $column = $TYPES{$type}{column};
    my %is;
    for my $table (reverse @{ $TYPES{$type}{tables} }) {
        my ($row) = grep { $_->{$column} eq $name } LabXcat::rows($table);
        %is = (%is, map { $_ => $row->{$_} } grep { ($row->{$_} // '') ne '' && $_ ne $column } keys %{ $row // {} });
    }
    return \%is;
}

sub _write {
    my ($command, $type, $names, $set) = @_;
    return _nameless($command) if !@{$names};
    my ($first, @tables) = @{ $TYPES{$type}{tables} };
    my %known = map { $_ => 1 } map { LabXcat::columns($_) } $first, @tables;
    for my $unknown (grep { !$known{$_} && $type ne 'site' } sort keys %{$set}) {
        LabXcat::complain("'$unknown' is not a valid attribute name for an object type of '$type'.");
        return 1;
    }
    for my $name (_expanded($type, @{$names})) {
        if ($type eq 'site') {
            _set_site($_, $set->{$_}) for sort keys %{$set};
            next;
        }
        my %left = %{$set};
        for my $table ($first, @tables) {
            my %here = map { $_ => delete $left{$_} } grep { exists $left{$_} } LabXcat::columns($table);
            LabXcat::put($table, { $TYPES{$type}{column} => $name }, \%here) if %here || $table eq $first;
        }
    }
    print scalar(@{$names}) . " object definitions have been created or modified.\n";
    return 0;
}

sub _set_site {
    my ($key, $value) = @_;
    if ($value eq '') { LabXcat::take_out('site', { key => $key }) }
    else              { LabXcat::put('site', { key => $key }, { value => $value }) }
    return;
}

1;
