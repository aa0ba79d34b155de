# SPDX-License-Identifier: Apache-2.0
"""asyncpg: HOST PORT USER"""
import asyncio
import sys

import asyncpg


async def main():
    host, port, user = sys.argv[1:]
    conn = await asyncpg.connect(host=host, port=int(port), user=user, database="postgres")
    print(await conn.fetchval("SELECT 'x'"))
    for oid in (1259, 1249):
        print(await conn.fetch("SELECT relname FROM pg_class WHERE oid = $1", oid))
    await conn.execute("CREATE TEMP TABLE q (a int, b text)")
    await conn.executemany("INSERT INTO q VALUES ($1, $2)", [(i, "secret") for i in range(10)])
    await conn.copy_records_to_table("q", records=[(1, "secret")], columns=("a", "b"))
    try:
        await conn.fetch("SELECT 1/0")
    except asyncpg.PostgresError as error:
        print(error.sqlstate)
    async with conn.transaction():
        print(await conn.fetchval("SELECT count(*) FROM q WHERE a IN (1, 2)"))
    await conn.close()


asyncio.run(main())
