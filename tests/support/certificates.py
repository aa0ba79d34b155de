# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of one test run, and a certificate of it for localhost and 127.0.0.1.

    ca = certificates.make()      # once; ca.file, ca.certificate, ca.key, ca.both are paths
    lab.run(["curl", ...], **ca.trusted)
"""
import atexit
import functools
import os
import shutil
import ssl
import subprocess
import tempfile

EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
CA = """[ca]
default_ca = here
[here]
database = {directory}/index
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    def __init__(self, directory):
        self.directory = directory
        self.file, self.certificate = self.path("ca.pem"), self.path("server.pem")
        self.key, self.both = self.path("server.key"), self.path("both.pem")
        self.make()
        # By what each client, or its TLS library, asks for.
        self.trusted = {name: self.file for name in (
            "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO",
            "NODE_EXTRA_CA_CERTS", "PERL_LWP_SSL_CA_FILE")}
        self.trusted["WGETRC"] = self.path("wgetrc")

    def path(self, name):
        return os.path.join(self.directory, name)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)

    def make(self):
        with open(self.path("extensions"), "w", encoding="ascii") as f:
            f.write(EXTENSIONS)
        self.openssl("req", "-x509", *CURVE, "-keyout", self.path("ca.key"), "-out", self.file,
                     "-days", "30", "-subj", "/CN=a test's authority")
        self.openssl("req", *CURVE, "-keyout", self.key, "-out", self.path("request.pem"),
                     "-subj", "/CN=localhost")
        self.openssl("x509", "-req", "-in", self.path("request.pem"), "-CA", self.file, "-CAkey",
                     self.path("ca.key"), "-CAcreateserial", "-out", self.certificate, "-days",
                     "30", "-extfile", self.path("extensions"))
        with open(self.both, "w", encoding="ascii") as both:
            for part in (self.certificate, self.key):
                with open(part, encoding="ascii") as f:
                    both.write(f.read())
        with open(self.path("wgetrc"), "w", encoding="ascii") as f:
            f.write(f"ca_certificate = {self.file}\n")
        for name in os.listdir(self.directory):  # servers that give root up read them, too
            os.chmod(self.path(name), 0o644)
        os.chmod(self.directory, 0o755)

    def server_context(self, certificate=None):
        """certificate: another one of this key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate or self.certificate, self.key)
        return context

    def other(self, name, extensions=EXTENSIONS, end="20380101000000Z"):
        """The path of one that is true, but for what is told here: what it is for, until when."""
        path = self.path(f"{name}.pem")
        if not os.path.exists(path):
            with open(self.path(f"{name}.extensions"), "w", encoding="ascii") as f:
                f.write(extensions)
            open(self.path("index"), "w", encoding="ascii").close()
            with open(self.path("ca.conf"), "w", encoding="ascii") as f:
                f.write(CA.format(directory=self.directory))
            self.openssl("ca", "-batch", "-config", self.path("ca.conf"), "-cert", self.file,
                         "-keyfile", self.path("ca.key"), "-in", self.path("request.pem"), "-out",
                         path, "-notext", "-startdate", "20200101000000Z", "-enddate", end,
                         "-extfile", self.path(f"{name}.extensions"))
        return path

    def client_context(self):
        return ssl.create_default_context(cafile=self.file)


@functools.lru_cache(None)
def make():
    directory = tempfile.mkdtemp(prefix="interspan-ca-")
    atexit.register(shutil.rmtree, directory, True)
    return Authority(directory)
