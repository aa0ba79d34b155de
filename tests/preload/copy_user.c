/* SPDX-License-Identifier: Apache-2.0 */
/* Linked with one of the copies, as an extension module with its own OpenSSL is. */
int SSL_read(void *ssl, void *buf, int len);
int SSL_write(void *ssl, const void *buf, int len);
int SSL_do_handshake(void *ssl);
void *SSL_CTX_new(const void *method);
int use(void);

/* WHO, if it has reached that copy by all of them, and with no session at all, too. */
int use(void)
{
	void *ssl = SSL_CTX_new(0);
	int who = -SSL_read(ssl, 0, 1);

	if (SSL_read(0, 0, 1) != -who || SSL_write(ssl, "", 1) != -10 - who ||
	    SSL_do_handshake(ssl) != -20 - who)
		return -1;
	return who;
}
