# SPDX-License-Identifier: Apache-2.0
"""Who made the spans (D120-D151), end to end."""
import os
import platform

from support.case import Feature

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
UUID4 = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


class Resource(Feature):
    def test_resource_is_detected(self):
        lab = self.lab(K8S_POD_NAME="shop-1",
                       OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")
        second = lab.python_server("second.py", traced=False)
        for _ in range(2):
            lab.run(["curl", "-s", second.url("/")], service="shop")
        resources = [s["resource"] for s in self.spans(lab, 2)]
        for told in resources:
            self.assertLessEqual({
                "service.name": "shop", "deployment.environment.name": "test",
                "k8s.pod.name": "shop-1", "os.type": "linux", "host.name": platform.node(),
                "host.arch": ARCH.get(platform.machine(), platform.machine()),
                "process.executable.name": "curl",
                "process.executable.path": os.path.realpath("/usr/bin/curl"),
                "telemetry.distro.name": "interspan"}.items(), told.items())
            self.assertRegex(told["service.instance.id"], UUID4)
        self.assertNotEqual(*[r["service.instance.id"] for r in resources])

    def test_each_process_is_an_instance(self):
        """D122, D151: with all of its spans."""
        lab = self.lab()
        second = lab.python_server("second.py", traced=False)
        urls = [second.url(f"/{i}") for i in range(2)]
        lab.run(["sh", "-c", "for i in 1 2; do curl -s " + " ".join(urls) + "; done"],
                service="shop")
        instances = {}
        for span in self.spans(lab, 4):
            told = span["resource"]
            instances.setdefault(told["process.pid"], set()).add(told["service.instance.id"])
        self.assertEqual([len(ids) for ids in instances.values()], [1, 1])
        self.assertEqual(len(set.union(*instances.values())), 2)

    def test_service_names_by_program(self):
        """One environment for all: a name for those that have one, else OTEL_SERVICE_NAME."""
        lab = self.lab(OTEL_INTERSPAN_SERVICE_NAMES="second=stock;nginx=edge")
        second = lab.python_server("second.py", service="all")
        front = lab.nginx(second.port, service="all")
        lab.run(["curl", "-s", front.url("/")], service="all")
        self.assertEqual(sorted(s["service"] for s in self.spans(lab, 4)),
                         ["all", "edge", "edge", "stock"])
