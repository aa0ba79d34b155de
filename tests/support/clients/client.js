// SPDX-License-Identifier: Apache-2.0
// client.py for node: client.js http|fetch URL; https, too.
'use strict';
const crypto = require('crypto');

const [how, url] = process.argv.slice(2);
const http = require(url.startsWith('https:') ? 'https' : 'http');
const mib = Buffer.alloc(1 << 20, Buffer.from([...Array(256).keys()].reverse()));
const kind = { 'Content-Type': 'application/octet-stream' };
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const steps = [['GET', '/page'], ['GET', '/page'], ['HEAD', '/page'], ['GET', '/big'],
	['GET', '/stream'], ['GET', '/nothing'], ['POST', '/sum', mib], ['POST', '/sum', mib, true]];

function tell(status, body) {
	const sum = crypto.createHash('md5').update(body).digest('hex');

	console.log(`${status} ${body.length} ${sum}`);
}

function* pieces(body) {
	for (let at = 0; at < body.length; at += 50000)
		yield body.subarray(at, at + 50000);
}

function byHttp(method, path, body, inChunks) {
	return new Promise((resolve, reject) => {
		const length = body && !inChunks ? { 'Content-Length': body.length } : {};
		const headers = body ? { ...kind, ...length } : {};
		const request = http.request(url + path, { method, agent, headers }, (answer) => {
			const parts = [];

			answer.on('data', (part) => parts.push(part));
			answer.on('end', () => {
				tell(answer.statusCode, Buffer.concat(parts));
				resolve();
			});
		}).on('error', reject);

		for (const piece of inChunks ? pieces(body) : body ? [body] : [])
			request.write(piece);
		request.end();
	});
}

async function byFetch(method, path, body, inChunks) {
	const stream = inChunks && new ReadableStream({
		start(controller) {
			for (const piece of pieces(body))
				controller.enqueue(piece);
			controller.close();
		},
	});
	const answer = await fetch(url + path, { method, headers: body ? kind : {},
		body: stream || body, duplex: inChunks ? 'half' : undefined });

	tell(answer.status, Buffer.from(await answer.arrayBuffer()));
}

(async () => {
	for (const step of steps)
		await { http: byHttp, fetch: byFetch }[how](...step);
	agent.destroy();
})();
