# SPDX-License-Identifier: Apache-2.0
# contract.py in Perl, for Starman; environment: BACKEND.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use HTTP::Request;
use LWP::UserAgent;

my $big = join('', map { chr } 0 .. 255) x 4096;
my $piece = join('', map { chr } 0 .. 255) x 16;
my @kind = ('Content-Type' => 'text/plain');
my $agent = LWP::UserAgent->new(keep_alive => 1);

sub body_of {
	my ($env) = @_;
	my $body = '';

	while ($env->{'psgi.input'}->read(my $part, 65536)) {
		$body .= $part;
	}
	return $body;
}

sub reply {
	my ($status, $body, $is_head) = @_;

	return [$status, [@kind, 'Content-Length' => length $body], [$is_head ? () : $body]];
}

sub call_leaf {
	my ($id) = @_;
	my $request = HTTP::Request->new(POST => "$ENV{BACKEND}/leaf", \@kind, scalar reverse $id);

	return $agent->request($request)->content;
}

sub {
	my ($env) = @_;
	my $path = $env->{PATH_INFO};

	if ($path eq '/stream') {
		return sub {
			my $writer = $_[0]->([200, [@kind]]);

			$writer->write($piece) for 1 .. 16;
			$writer->close;
		};
	}
	return reply(200, "page\n", $env->{REQUEST_METHOD} eq 'HEAD') if $path eq '/page';
	return reply(200, $big) if $path eq '/big';
	return reply(200, md5_hex(body_of($env))) if $path eq '/sum';
	return reply(200, call_leaf(body_of($env))) if $path eq '/work';
	return reply(404, "nothing here\n");
};
