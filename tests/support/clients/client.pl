# SPDX-License-Identifier: Apache-2.0
# client.py by LWP: client.pl URL.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use HTTP::Request;
use LWP::UserAgent;

my $mib = join('', map { chr } reverse 0 .. 255) x 4096;
my $at = 0;
my $pieces = sub {
	my $piece = substr $mib, $at, 50000;

	$at += 50000;
	return $at - 50000 < length $mib ? $piece : '';
};
my @kind = ('Content-Type' => 'application/octet-stream');
my $agent = LWP::UserAgent->new(keep_alive => 1);

for my $step (['GET', '/page'], ['GET', '/page'], ['HEAD', '/page'], ['GET', '/big'],
	['GET', '/stream'], ['GET', '/nothing'], ['POST', '/sum', $mib], ['POST', '/sum', $pieces]) {
	my ($method, $path, $body) = @$step;
	my $request = HTTP::Request->new($method, $ARGV[0] . $path, defined $body ? \@kind : []);

	$request->content($body) if defined $body;
	my $answer = $agent->request($request);
	print $answer->code, ' ', length($answer->content), ' ', md5_hex($answer->content), "\n";
}
