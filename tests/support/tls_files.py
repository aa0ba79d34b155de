# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, and servers that show them."""
import ssl
import subprocess


def openssl(directory, *args):
    subprocess.run(["openssl", *args], cwd=directory, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def certificates(directory):
    """A CA, and what it signed: a server for `localhost`, a client."""
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    for name in ("server", "client"):
        openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(f"{directory}/{name}.ext", "w", encoding="ascii") as f:
            f.write("subjectAltName=DNS:localhost\n")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")


def chain(directory):
    """The server's certificate, anew: of an authority below the one that is trusted; it shows both."""
    with open(f"{directory}/below.ext", "w", encoding="ascii") as f:
        f.write("basicConstraints=critical,CA:TRUE\n")
    openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "below.key", "-out",
            "below.csr", "-subj", "/O=tests/CN=below")
    openssl(directory, "x509", "-req", "-in", "below.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "below.pem", "-days", "2", "-extfile", "below.ext")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "below.pem", "-CAkey",
            "below.key", "-CAcreateserial", "-out", "leaf.pem", "-days", "2", "-extfile",
            "server.ext")
    with open(f"{directory}/server.pem", "wb") as f:
        for name in "leaf", "below":
            with open(f"{directory}/{name}.pem", "rb") as part:
                f.write(part.read())


EXPIRED = """
[ca]
default_ca = one
[one]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost
"""


def expire(directory):
    """The server's certificate, anew: of one day that is long gone."""
    for name, text in ("expired.cnf", EXPIRED), ("index", ""):
        with open(f"{directory}/{name}", "w", encoding="ascii") as f:
            f.write(text)
    openssl(directory, "ca", "-batch", "-notext", "-config", "expired.cnf", "-cert", "ca.pem",
            "-keyfile", "ca.key", "-in", "server.csr", "-out", "server.pem", "-startdate",
            "20200101000000Z", "-enddate", "20200102000000Z")


def server_context(directory, wants_client=False, alpn=("h2",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/server.pem", f"{directory}/server.key")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(f"{directory}/ca.pem")
    return context
