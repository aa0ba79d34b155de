/* SPDX-License-Identifier: Apache-2.0 */
/* A library that has OpenSSL's names, and tells which copy of it one has reached: WHO. */
#include <stddef.h>

extern char copy_room[WHO * 65536];
int SSL_read(void *ssl, void *buf, int len);
int SSL_write(void *ssl, const void *buf, int len);
int SSL_do_handshake(void *ssl);
void *SSL_CTX_new(const void *method);
size_t SSL_get_client_random(const void *ssl, unsigned char *out, size_t len);
int SSL_is_server(const void *ssl);
int SSL_in_init(const void *ssl);
int SSL_want(const void *ssl);
int SSL_get_shutdown(const void *ssl);
long SSL_ctrl(void *ssl, int cmd, long larg, void *parg);
int SSL_get_error(const void *ssl, int r);

/* No two of them are of one size. */
char copy_room[WHO * 65536] = { WHO };

int SSL_read(void *ssl, void *buf, int len)
{
	(void)ssl, (void)buf, (void)len;
	return -WHO;
}

int SSL_write(void *ssl, const void *buf, int len)
{
	(void)ssl, (void)buf, (void)len;
	return -10 - WHO;
}

int SSL_do_handshake(void *ssl)
{
	return SSL_read(ssl, NULL, 0) - 20;
}

void *SSL_CTX_new(const void *method)
{
	static int made[2];

	(void)method;
	return made;
}

size_t SSL_get_client_random(const void *ssl, unsigned char *out, size_t len)
{
	(void)ssl, (void)out, (void)len;
	return 0;
}

int SSL_is_server(const void *ssl)
{
	(void)ssl;
	return 0;
}

int SSL_in_init(const void *ssl)
{
	(void)ssl;
	return 1;
}

int SSL_want(const void *ssl)
{
	(void)ssl;
	return 1;
}

int SSL_get_shutdown(const void *ssl)
{
	(void)ssl;
	return 0;
}

int SSL_get_error(const void *ssl, int r)
{
	(void)ssl;
	return r > 0 ? 0 : 1;
}

long SSL_ctrl(void *ssl, int cmd, long larg, void *parg)
{
	(void)ssl, (void)cmd, (void)larg, (void)parg;
	return 0;
}
