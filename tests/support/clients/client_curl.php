<?php
// SPDX-License-Identifier: Apache-2.0
// client.py by PHP's curl, an extension that is opened RTLD_DEEPBIND: client_curl.php URL.
$mib = str_repeat(implode('', array_map('chr', range(255, 0, -1))), 4096);
$steps = [['GET', '/page'], ['GET', '/page'], ['HEAD', '/page'], ['GET', '/big'],
	['GET', '/stream'], ['GET', '/nothing'], ['POST', '/sum', $mib]];
$curl = curl_init();

foreach ($steps as $step) {
	[$method, $path, $body] = $step + [2 => null];
	curl_reset($curl);
	curl_setopt($curl, CURLOPT_URL, $argv[1] . $path);
	curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
	curl_setopt($curl, CURLOPT_NOBODY, $method === 'HEAD');
	curl_setopt($curl, CURLOPT_CAINFO, getenv('SSL_CERT_FILE'));
	if ($body !== null) {
		curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
		curl_setopt($curl, CURLOPT_HTTPHEADER,
			['Content-Type: application/octet-stream', 'Expect:']);
	}
	$text = curl_exec($curl);
	printf("%s %d %s\n", curl_getinfo($curl, CURLINFO_RESPONSE_CODE), strlen($text), md5($text));
}
