# SPDX-License-Identifier: Apache-2.0
# contract.py in Ruby, for puma; environment: BACKEND.
require 'digest'
require 'net/http'

BIG = (0..255).to_a.pack('C*') * 4096
PIECE = (0..255).to_a.pack('C*') * 16
KIND = { 'content-type' => 'text/plain' }.freeze

def call_leaf(ident)
  backend = URI(ENV.fetch('BACKEND'))
  http = Thread.current[:http] ||= Net::HTTP.start(backend.host, backend.port)
  http.post('/leaf', ident.reverse, KIND).body
end

def reply(status, body)
  [status, KIND.merge('content-length' => body.bytesize.to_s), [body]]
end

run(lambda do |env|
  case env['PATH_INFO']
  when '/page' then reply(200, "page\n")
  when '/big' then reply(200, BIG)
  when '/stream' then [200, KIND.dup, Enumerator.new { |y| 16.times { y << PIECE } }]
  when '/sum' then reply(200, Digest::MD5.hexdigest(env['rack.input'].read))
  when '/work' then reply(200, call_leaf(env['rack.input'].read))
  else reply(404, "nothing here\n")
  end
end)
