-- SPDX-License-Identifier: Apache-2.0
-- Each connection waits this long after each answer, so that the exporter can keep up: what is
-- measured is CPU per request with every span delivered, not how fast a full queue drops.
function delay()
	return 4
end
