<?php
// SPDX-License-Identifier: Apache-2.0
// client.py by PHP's streams, which know no chunks: client.php URL.
$mib = str_repeat(implode('', array_map('chr', range(255, 0, -1))), 4096);
$steps = [['GET', '/page'], ['GET', '/page'], ['HEAD', '/page'], ['GET', '/big'],
	['GET', '/stream'], ['GET', '/nothing'], ['POST', '/sum', $mib]];

foreach ($steps as $step) {
	[$method, $path, $body] = $step + [2 => null];
	$http = ['method' => $method, 'ignore_errors' => true, 'protocol_version' => 1.1];
	if ($body !== null)
		$http += ['content' => $body, 'header' => "Content-Type: application/octet-stream"];
	$text = file_get_contents($argv[1] . $path, false, stream_context_create(['http' => $http]));
	printf("%s %d %s\n", explode(' ', $http_response_header[0])[1], strlen($text), md5($text));
}
