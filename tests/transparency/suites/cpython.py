# SPDX-License-Identifier: Apache-2.0
"""CPython's own, of Debian's libpython3.11-testsuite; a part is one of its modules."""
import os
import xml.etree.ElementTree

PYTHON = "/usr/bin/python3"
SHORT = ["test_httplib", "test_urllib2_localnet", "test_socketserver", "test_epoll"]
ALL = ["test_socket", "test_ssl", "test_asyncio", "test_httplib", "test_httpservers", "test_urllib",
       "test_urllib2", "test_urllib2_localnet", "test_xmlrpc", "test_wsgiref", "test_socketserver",
       "test_asyncore", "test_asynchat", "test_smtplib", "test_ftplib", "test_poplib", "test_imaplib",
       "test_subprocess", "test_os", "test_posix", "test_signal", "test_threading", "test_thread",
       "test_queue", "test_concurrent_futures", "test_multiprocessing_fork",
       "test_multiprocessing_forkserver", "test_multiprocessing_spawn", "test_eintr",
       "test_selectors", "test_select", "test_poll", "test_epoll", "test_fork1", "test_wait3",
       "test_wait4", "test_pty", "test_openpty", "test_popen", "test_fcntl", "test_io",
       "test_fileio", "test_largefile", "test_mmap", "test_faulthandler"]


def missing():
    if not os.path.exists("/usr/lib/python3.11/test/test_socket.py"):
        return "needs libpython3.11-testsuite"
    return None


def command(part, work):
    return ([PYTHON, "-m", "test", "-v", "--junit-xml", os.path.join(work, "junit.xml"),
             # Hangs, bare as well, where there is no such transport.
             "-i", "*VSOCK*",
             # That one means loopback by "network"; the others mean the world, and would time out.
             *(["-u", "network"] if part == "test_socketserver" else []), part],
            {"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "TMPDIR": work}, work)


def results(_part, work, output):
    told = {}
    path = os.path.join(work, "junit.xml")
    if not os.path.exists(path):
        # It did not come to its end: what it told on the way.
        for line in output.splitlines():
            if " ... " in line and line.startswith("test"):
                told[line.partition(" ... ")[0]] = line.partition(" ... ")[2][:7]
        return told
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        outcome = "ok"
        for child in case:
            if child.tag in ("failure", "error"):
                outcome = "failed"
            elif child.tag == "skipped":
                outcome = "skipped"
        told[case.get("name")] = outcome
    return told
