# SPDX-License-Identifier: Apache-2.0
# ruby-pg: DSN
require 'pg'
c = PG.connect(ARGV[0])
p c.exec("SELECT 'r'").values
p c.exec_params("SELECT $1::int FROM pg_class LIMIT 1", [1]).values
c.prepare("s", "SELECT $1::text")
p c.exec_prepared("s", ["z"]).values
begin
  c.exec("SELECT * FROM nowhere")
rescue PG::Error => e
  p e.result.error_field(PG::Result::PG_DIAG_SQLSTATE)
end
c.send_query("SELECT 1; SELECT 2")
while (r = c.get_result)
  p r.values
end
c.close
