<?php // SPDX-License-Identifier: Apache-2.0
// pgsql and pdo_pgsql: HOST PORT USER
[, $host, $port, $user] = $argv;
$c = pg_connect("host=$host port=$port user=$user dbname=postgres");
print_r(pg_fetch_all(pg_query_params($c, 'SELECT $1::int AS a', [5])));
print_r(pg_fetch_all(pg_query($c, "SELECT 'x' AS b")));
pg_prepare($c, "p", 'SELECT oid FROM pg_class WHERE relname = $1');
print_r(pg_fetch_all(pg_execute($c, "p", ["pg_class"])));
var_dump(@pg_query($c, "SELECT * FROM nowhere"));
$d = new PDO("pgsql:host=$host;port=$port;user=$user;dbname=postgres");
$s = $d->prepare("SELECT :a::int + 1 AS c FROM pg_class LIMIT 1");
$s->execute(["a" => 3]);
print_r($s->fetchAll(PDO::FETCH_ASSOC));
$d->exec("SET search_path = public");
