# SPDX-License-Identifier: Apache-2.0
# client.py by net/http: client.rb URL.
require 'digest'
require 'net/http'
require 'stringio'

MIB = (0..255).to_a.reverse.pack('C*') * 4096
STEPS = [%w[Get /page], %w[Get /page], %w[Head /page], %w[Get /big], %w[Get /stream],
         %w[Get /nothing], ['Post', '/sum', :length], ['Post', '/sum', :chunks]].freeze

def request(kind, path, body)
  request = Net::HTTP.const_get(kind).new(path)
  return request unless body

  request['Content-Type'] = 'application/octet-stream'
  if body == :chunks
    request['Transfer-Encoding'] = 'chunked'
    request.body_stream = StringIO.new(MIB)
  else
    request.body = MIB
  end
  request
end

url = URI(ARGV[0])
Net::HTTP.start(url.host, url.port, use_ssl: url.scheme == 'https') do |http|
  STEPS.each do |step|
    answer = http.request(request(*step, *[nil] * (3 - step.size)))
    body = answer.body || ''
    puts "#{answer.code} #{body.bytesize} #{Digest::MD5.hexdigest(body)}"
  end
end
