# SPDX-License-Identifier: Apache-2.0
# DBD::Pg: HOST PORT USER
use strict;
use warnings;
use DBI;
my ($host, $port, $user) = @ARGV;
my $d = DBI->connect("dbi:Pg:host=$host;port=$port;dbname=postgres;user=$user", undef, undef,
		     { PrintError => 0, AutoCommit => 1 });
print $d->selectrow_array("SELECT 'p'"), "\n";
my $s = $d->prepare("SELECT relname FROM pg_class WHERE oid = ?");
for my $oid (1259, 1249) {
	$s->execute($oid);
	print $s->fetchrow_array, "\n";
}
$d->do("CREATE TEMP TABLE y (a int)");
$d->begin_work;
$d->do("INSERT INTO y VALUES (?)", undef, 7);
$d->commit;
$d->do("SELECT * FROM nowhere");
print $d->state, "\n";
