# SPDX-License-Identifier: Apache-2.0
"""aiohttp, tasks that wait before they call: loop.py PORT BACKEND."""
import asyncio
import random
import sys

import common
from aiohttp import ClientSession, TCPConnector, web


async def make_app():
    app = web.Application()
    client = ClientSession(connector=TCPConnector(limit=64))

    async def work(request):
        ident = await request.read()
        await asyncio.sleep(random.random() / 100)
        async with client.post(common.leaf(sys.argv[2]), data=ident[::-1]) as answer:
            return web.Response(body=await answer.read())

    app.router.add_post("/work", work)
    return app


web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
