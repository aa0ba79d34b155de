\set oid 1259
SELECT relname FROM pg_class WHERE oid = :oid;
SELECT :oid::int + :oid;
