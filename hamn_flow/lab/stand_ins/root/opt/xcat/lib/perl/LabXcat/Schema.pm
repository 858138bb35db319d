package LabXcat::Schema;

# The tables of xCAT 2.19 by name, and the columns of those that anybody here looks at.
# Of the others the node, comments and disable stand for all.

use strict;
use warnings;

my %COLUMNS = map { my ($name, @columns) = split; ($name => [ @columns, 'comments', 'disable' ]) } grep {/\S/} split /\n/,
    <<'END';
hosts       node ip hostnames otherinterfaces
litefile    image file options
litetree    priority image directory mntopts
mac         node interface mac
networks    netname net mask mgtifname gateway dhcpserver tftpserver nameservers ntpservers logservers dynamicrange staticrange staticrangeincrement nodehostname ddnsdomain vlanid domain mtu
nodehm      node power mgt cons termserver termport conserver serialport serialspeed serialflow getmac cmdmapping consoleondemand consoleenabled
nodelist    node groups status statustime appstatus appstatustime primarysn hidden updatestatus updatestatustime zonename
noderes     node servicenode netboot tftpserver tftpdir nfsserver monserver nfsdir installnic primarynic discoverynics cmdinterface xcatmaster current_osimage next_osimage nimserver routenames nameservers proxydhcp syslog
nodetype    node os arch profile provmethod supportedarchs nodetype
osimage     imagename groups profile imagetype description provmethod rootfstype osdistroname osupdatename osname osvers osarch synclists postscripts postbootscripts serverrole isdeleted kitcomponents environvar
passwd      key username password cryptmethod authdomain
policy      priority name host commands noderange parameters time rule
servicenode node nameserver dhcpserver tftpserver nfsserver conserver monserver ldapserver ntpserver ftpserver nimserver ipforward dhcpinterfaces proxydhcp
site        key value
statelite   node image statemnt mntopts
END

my @NAMES = qw(
    auditlog bootparams boottarget cfgmgt chain deps discoverydata domain eventlog firmware hosts hwinv hypervisor ipmi
    iscsi kit kitcomponent kitrepo kvm_masterdata kvm_nodedata linuximage litefile litetree mac mic monitoring
    monsetting mp mpa networks nics nimimage nodegroup nodehm nodelist nodepos noderes nodetype notification openbmc
    osdistro osdistroupdate osimage passwd pdu pduoutlet performance policy postscripts ppc ppcdirect ppchcp prescripts
    prodkey rack routes servicenode site statelite storage switch switches taskstate token virtsd vm vmmaster vpd websrv
    winimage zone zvm zvmivp
);
my %KNOWN = map { $_ => 1 } @NAMES;

# What dumpxCATdb leaves out by itself; 71 tables remain.
our @NOT_DUMPED = qw(eventlog auditlog);

sub tables { return @NAMES }

sub columns {
    my ($table) = @_;
    return if !$KNOWN{$table};
    return @{ $COLUMNS{$table} // [qw(node comments disable)] };
}

# The password of the compute nodes' root in the passwd table. It is no secret, but none of it may turn up elsewhere.
our $SECRET = 'hunted-secret-of-the-lab';

# What `xcatconfig -d` writes into empty tables: key => value of site, 38 with master, nameservers and domain.
our %SITE = (
    blademaxp              => 64,
    cleanupdiskfullxcatpost => 'no',
    cleanupxcatpost        => 'no',
    consoleondemand        => 'no',
    databaseloc            => '/var/lib',
    db2installloc          => '/mntdb2',
    dhcplease              => 43200,
    dnshandler             => 'ddns',
    enableASMI             => 'no',
    fsptimeout             => 0,
    httpport               => 80,
    installdir             => '/install',
    ipmimaxp               => 64,
    ipmiretries            => 3,
    ipmitimeout            => 2,
    maxssh                 => 8,
    nodestatus             => 'y',
    nodesyncfiledir        => '/var/xcat/node/syncfiles',
    ntpservers             => '<xcatmaster>',
    powerinterval          => 0,
    ppcmaxp                => 64,
    ppcretry               => 3,
    ppctimeout             => 0,
    sharedtftp             => 1,
    SNsyncfiledir          => '/var/xcat/syncfiles',
    sshbetweennodes        => 'ALLGROUPS',
    syspowerinterval       => 0,
    tftpdir                => '/tftpboot',
    timezone               => 'UTC',
    useNmapfromMN          => 'no',
    vsftp                  => 'n',
    xcatconfdir            => '/etc/xcat',
    xcatdebugmode          => 0,
    xcatdport              => 3001,
    xcatiport              => 3002,
);

1;
