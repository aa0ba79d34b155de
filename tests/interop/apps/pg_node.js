// SPDX-License-Identifier: Apache-2.0
// node-pg, its own implementation of the protocol: HOST PORT USER
const { Client } = require("pg");

async function main() {
	const [host, port, user] = process.argv.slice(2);
	const c = new Client({ host, port: Number(port), user, database: "postgres" });
	await c.connect();
	console.log((await c.query("SELECT 'x' AS a")).rows);
	for (const oid of [1259, 1249])
		console.log((await c.query({ name: "one", text: "SELECT relname FROM pg_class WHERE oid = $1",
			values: [oid] })).rows);
	console.log((await c.query("SELECT $1::int AS b", [7])).rows);
	try {
		await c.query("SELECT * FROM nowhere");
	} catch (e) {
		console.log(e.code);
	}
	await c.end();
}
main();
