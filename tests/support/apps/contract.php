<?php
// SPDX-License-Identifier: Apache-2.0
// contract.py in PHP, a router for php -S; environment: BACKEND.
$all = implode('', array_map('chr', range(0, 255)));

function reply(int $status, string $body): void
{
	http_response_code($status);
	header('Content-Type: text/plain');
	header('Content-Length: ' . strlen($body));
	echo $body;
}

function call_leaf(string $id): string
{
	$context = stream_context_create(['http' => ['method' => 'POST', 'content' => strrev($id),
		'header' => "Content-Type: text/plain\r\n"]]);

	return file_get_contents(getenv('BACKEND') . '/leaf', false, $context);
}

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
case '/page':
	reply(200, "page\n");
	break;
case '/big':
	reply(200, str_repeat($all, 4096));
	break;
case '/stream':
	header('Content-Type: text/plain');
	for ($i = 0; $i < 16; $i++) {
		echo str_repeat($all, 16);
		flush();
	}
	break;
case '/sum':
	reply(200, md5(file_get_contents('php://input')));
	break;
case '/work':
	reply(200, call_leaf(file_get_contents('php://input')));
	break;
default:
	reply(404, "nothing here\n");
}
return true;
