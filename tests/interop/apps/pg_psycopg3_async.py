# SPDX-License-Identifier: Apache-2.0
"""psycopg 3 on an event loop: DSN"""
import asyncio
import sys

import psycopg


async def main():
    async with await psycopg.AsyncConnection.connect(sys.argv[1], autocommit=True) as conn:
        print(await (await conn.execute("SELECT 'x'")).fetchall())
        for i in range(3):
            print(await (await conn.execute("SELECT relname FROM pg_class WHERE oid = %s",
                                            (1259 + i,))).fetchall())
        async with conn.pipeline() as pipeline:
            cursors = [await conn.execute(f"SELECT %s::int AS n{i}", (i,)) for i in range(5)]
            await pipeline.sync()
            print([await c.fetchone() for c in cursors])
        async with conn.cursor() as cursor:
            await cursor.execute("CREATE TEMP TABLE p (a int, b text)")
            async with cursor.copy("COPY p FROM STDIN") as copy:
                for i in range(10):
                    await copy.write_row((i, "secret"))
        try:
            await conn.execute("SELECT 1/0")
        except psycopg.Error as error:
            print(error.sqlstate)


asyncio.run(main())
