// SPDX-License-Identifier: Apache-2.0
// contract.py for node: node_app.js PORT [BACKEND [plain|timer|fetch|chain]]: the call below is made at
// once, from a timer's callback, by fetch, or after another one.  Over TLS if CERTIFICATE in the
// environment names a file with one, and its key.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');

const [port, backend, shape] = process.argv.slice(2);
const certificate = process.env.CERTIFICATE && fs.readFileSync(process.env.CERTIFICATE);
const below = String(backend).startsWith('https:') ? https : http;
const agent = new below.Agent({ keepAlive: true, maxSockets: 64 });
const big = Buffer.alloc(1 << 20, Buffer.from([...Array(256).keys()]));

function call(path, body, done) {
	below.request(backend + path, { agent, method: 'POST' }, (answer) => {
		let text = '';

		answer.on('data', (part) => { text += part; });
		answer.on('end', () => done(text));
	}).on('error', done).end(body);
}

const shapes = {
	plain: (leaf, done) => call('/leaf', leaf, done),
	timer: (leaf, done) => setTimeout(call, Math.random() * 10, '/leaf', leaf, done),
	chain: (leaf, done) => call('/first', 'first', () => call('/leaf', leaf, done)),
	fetch: (leaf, done) => fetch(`${backend}/leaf`, { method: 'POST', body: leaf }).then(
		(answer) => answer.text()).then(done, done),
};

function reply(response, status, body) {
	response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': body.length });
	response.end(body);
}

function answer(path, body, response) {
	if (path === '/page')
		reply(response, 200, 'page\n');
	else if (path === '/big')
		reply(response, 200, big);
	else if (path === '/sum')
		reply(response, 200, crypto.createHash('md5').update(body).digest('hex'));
	else if (path === '/echo')
		reply(response, 200, body);
	else if (path === '/work')
		shapes[shape](body.toString('latin1').split('').reverse().join(''),
			(text) => reply(response, 200, String(text)));
	else
		reply(response, 404, 'nothing here\n');
}

function stream(response) {
	response.writeHead(200, { 'Content-Type': 'text/plain' });
	for (let i = 0; i < 16; i++)
		response.write(big.subarray(0, 4096));
	response.end();
}

function serve(request, response) {
	const parts = [];

	response.on('error', () => {});
	request.on('data', (part) => parts.push(part));
	request.on('end', () => (request.url === '/stream' ? stream(response) :
		answer(request.url, Buffer.concat(parts), response)));
}

(certificate ? https.createServer({ cert: certificate, key: certificate }, serve) :
	http.createServer(serve)).listen(Number(port), '127.0.0.1', 256);

process.on('SIGTERM', () => process.exit(0));
