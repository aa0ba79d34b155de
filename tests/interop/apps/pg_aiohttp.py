# SPDX-License-Identifier: Apache-2.0
"""aiohttp and psycopg 3: requests that take turns on one loop, each with a connection of a small pool
meanwhile: pg_aiohttp.py PORT DSN.  A request of /N asks for a column nN, three times."""
import asyncio
import sys

import psycopg
from aiohttp import web


async def make_app():
    app, free = web.Application(), asyncio.Queue()
    for _ in range(4):
        free.put_nowait(await psycopg.AsyncConnection.connect(sys.argv[2], autocommit=True))

    async def work(request):
        conn = await free.get()
        try:
            for _ in range(3):
                cursor = await conn.execute(f"SELECT 1 AS n{request.match_info['n']}, pg_sleep(0.002)")
                await cursor.fetchall()
        finally:
            free.put_nowait(conn)
        return web.Response(text="done")

    app.router.add_get("/{n}", work)
    return app


web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
