// SPDX-License-Identifier: Apache-2.0
// node_app.js PORT BACKEND plain|timer: calls at once, or from a timer's callback.
'use strict';
const http = require('http');

const [port, backend, shape] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function call(ident, response) {
	const leaf = `${backend}/leaf/${[...ident].reverse().join('')}`;

	http.get(leaf, { agent }, (answer) => {
		answer.resume();
		answer.on('end', () => response.end('done\n'));
	}).on('error', (error) => {
		response.statusCode = 502;
		response.end(String(error));
	});
}

http.createServer((request, response) => {
	const ident = new URL(request.url, 'http://x').searchParams.get('id');

	if (shape === 'timer')
		setTimeout(call, Math.random() * 10, ident, response);
	else
		call(ident, response);
}).listen(Number(port), '127.0.0.1', 256);

process.on('SIGTERM', () => process.exit(0));
