/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that exports names of libcurl, OpenSSL, zlib, nghttp2 and c-ares: whoever is bound to
 * one of them ends it.  It makes one HTTP request to the port that it is given, and forks once
 * while the exporter is at work.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAP(name)                                       \
	void name(void);                                 \
	void name(void)                                  \
	{                                                \
		static const char text[] = #name "\n";   \
		(void)!write(2, text, sizeof(text) - 1); \
		abort();                                 \
	}
TRAP(curl_global_init)
TRAP(curl_global_init_mem)
TRAP(curl_easy_init)
TRAP(curl_easy_setopt)
TRAP(curl_easy_perform)
TRAP(curl_multi_init)
TRAP(curl_multi_perform)
TRAP(curl_slist_append)
TRAP(SSL_CTX_new)
TRAP(SSL_new)
TRAP(SSL_connect)
TRAP(SSL_read)
TRAP(SSL_write)
TRAP(OPENSSL_init_ssl)
TRAP(OPENSSL_init_crypto)
TRAP(CRYPTO_malloc)
TRAP(CRYPTO_free)
TRAP(EVP_DigestInit_ex)
TRAP(RAND_bytes)
TRAP(X509_verify_cert)
TRAP(BIO_new)
TRAP(deflate)
TRAP(deflateInit2_)
TRAP(deflateReset)
TRAP(crc32)
TRAP(adler32)
TRAP(inflate)
TRAP(nghttp2_session_client_new)
TRAP(nghttp2_submit_request)
TRAP(ares_init)
TRAP(ares_library_init_mem)
TRAP(protobuf_c_message_pack)

static int ask(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	char buf[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n;

	strcpy(buf, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    send(fd, buf, strlen(buf), 0) != (ssize_t)strlen(buf))
		return 1;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	close(fd);
	return n != 0;
}

int main(int argc, char **argv)
{
	int status = 0, r;
	pid_t pid;

	r = ask(argc > 1 ? atoi(argv[1]) : 0);
	usleep(300000); /* the exporter maps what it needs, and sends */
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return 2;
	puts("done");
	return r;
}
