\set a 7
\startpipeline
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
SELECT :a::int;
\endpipeline
