// SPDX-License-Identifier: Apache-2.0
// Loop PORT BACKEND: one thread that serves all connections by a selector, as event loops do.  What a
// round has read waits in a queue, and is worked off after it, the last one first, each by a call of
// URLConnection.  /work alone, with a body of a known length.
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Loop {
	static final Pattern LENGTH = Pattern.compile("(?i)content-length: *(\\d+)");
	static final ArrayDeque<SelectionKey> ready = new ArrayDeque<>();
	static String backend;

	static String call(String leaf) throws IOException {
		HttpURLConnection c = (HttpURLConnection) new URL(backend + "/leaf").openConnection();

		c.setDoOutput(true);
		c.getOutputStream().write(leaf.getBytes());
		return new String(c.getInputStream().readAllBytes());
	}

	// The body, once it is there.
	static String body(String got) {
		int end = got.indexOf("\r\n\r\n");
		Matcher m = LENGTH.matcher(got);

		if (end < 0 || !m.find())
			return null;
		return got.length() - end - 4 >= Integer.parseInt(m.group(1)) ? got.substring(end + 4)
			: null;
	}

	static void read(SelectionKey key) throws IOException {
		ByteBuffer to = ByteBuffer.allocate(8192);
		int n = ((SocketChannel) key.channel()).read(to);

		if (n < 0)
			throw new IOException("gone");
		key.attach((String) key.attachment() + new String(to.array(), 0, n));
		if (body((String) key.attachment()) != null)
			ready.push(key);
	}

	static void answer(SelectionKey key) throws IOException {
		String leaf = new StringBuilder(body((String) key.attachment())).reverse().toString();
		String text = call(leaf);

		key.attach("");
		((SocketChannel) key.channel()).write(ByteBuffer.wrap(
			("HTTP/1.1 200 OK\r\nContent-Length: " + text.length() + "\r\n\r\n" + text)
				.getBytes()));
	}

	interface Step {
		void take(SelectionKey key) throws IOException;
	}

	static void attempt(SelectionKey key, Step step) {
		try {
			step.take(key);
		} catch (IOException e) {
			key.cancel();
			try {
				key.channel().close();
			} catch (IOException again) {
				return;
			}
		}
	}

	public static void main(String[] args) throws Exception {
		Selector selector = Selector.open();
		ServerSocketChannel listener = ServerSocketChannel.open();

		backend = args[1];
		listener.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 256);
		listener.configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		for (;;) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				if (key.isAcceptable()) {
					SocketChannel c = listener.accept();

					c.configureBlocking(false);
					c.register(selector, SelectionKey.OP_READ, "");
				} else {
					attempt(key, Loop::read);
				}
			}
			selector.selectedKeys().clear();
			while (!ready.isEmpty())
				attempt(ready.pop(), Loop::answer);
		}
	}
}
