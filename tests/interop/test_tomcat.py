# SPDX-License-Identifier: Apache-2.0
"""Which request caused this call, in Tomcat's threads (include/jvm.h, tests/e2e/test_causality.py)?"""
import glob
import os
import unittest

from support import servers
from support.progs import ROOT, free_port, have
from test_causality import Causality

HERE = os.path.dirname(os.path.abspath(__file__))
JARS = [os.path.join(ROOT, "build", "neighbours", "tomcat", f"{name}.jar")
        for name in ("tomcat-embed-core", "tomcat-annotations-api")]


def tomcat(shape):
    def start(lab, upstream, **env):
        port = free_port()
        path = servers.compile_java("Cat", os.path.join(HERE, "apps"), os.pathsep.join(JARS))
        return lab.start([*servers.JAVA, "-cp", path, "Cat", str(port),
                          servers.backend_url(upstream), shape], "java", port, **env)
    return start


@unittest.skipUnless(have("java", "javac") and all(glob.glob(j) for j in JARS),
                     "needs java, javac and Tomcat")
class Tomcat(Causality):
    def test_servlet(self):
        self.both("Tomcat, servlet", tomcat("servlet"), True)

    def test_asynchronous_servlet(self):
        self.both("Tomcat, asynchronous", tomcat("async"), False)

    def test_task_of_the_same_pool(self):
        self.both("Tomcat, task", tomcat("task"), False)
