// SPDX-License-Identifier: Apache-2.0
// Mixed PORT BACKEND THREADS [TLS_PORT KEYS]: an HTTP and, with the keys of that PKCS #12 file (password
// "changeit"), an HTTPS server whose requests one pool of threads serves.  /hold is not answered before
// /release, and a line says so; nor is /tick, after which a thread of its own has the pool make a call,
// /tock; /wait makes its call as soon as a promise is kept, which /keep does; /work makes a call, and
// /deep=N below so many frames more; anything else is answered, but /nap goes on for a while after that.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.security.KeyStore;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

public class Mixed {
	static final ConcurrentLinkedQueue<HttpExchange> held = new ConcurrentLinkedQueue<>();
	static final CompletableFuture<Void> promise = new CompletableFuture<>();
	static final LinkedBlockingQueue<Boolean> ticks = new LinkedBlockingQueue<>();
	static String backend;

	static void reply(HttpExchange x, byte[] body) throws IOException {
		x.sendResponseHeaders(200, body.length);
		x.getResponseBody().write(body);
		x.close();
	}

	static byte[] call(String path) throws IOException {
		HttpURLConnection c = (HttpURLConnection) new URL(backend + path).openConnection();

		c.setConnectTimeout(10000);
		return c.getInputStream().readAllBytes();
	}

	static byte[] callBelow(int frames, String path) throws IOException {
		return frames == 0 ? call(path) : callBelow(frames - 1, path);
	}

	static byte[] body(String path) throws IOException {
		if (path.startsWith("/deep="))
			return callBelow(Integer.parseInt(path.substring(6)), path);
		return path.startsWith("/work") ? call(path) : "done\n".getBytes();
	}

	static void answer(HttpExchange x, String path) {
		try {
			reply(x, call(path));
		} catch (IOException e) {
			x.close();
		}
	}

	static void tick(ExecutorService pool) {
		try {
			while (ticks.take())
				pool.execute(() -> {
					try {
						call("/tock");
					} catch (IOException e) {
						throw new UncheckedIOException(e);
					}
				});
		} catch (InterruptedException e) {
			return;
		}
	}

	static boolean isHeld(HttpExchange x, String path) {
		if (path.equals("/wait"))
			promise.thenRun(() -> answer(x, path));
		else if (path.equals("/hold") || path.equals("/tick"))
			held.add(x);
		else
			return false;
		System.out.println("held");
		return true;
	}

	static void serve(HttpExchange x) throws IOException {
		String path = x.getRequestURI().getPath();

		x.getRequestBody().readAllBytes();
		if (isHeld(x, path)) {
			if (path.equals("/tick"))
				ticks.add(true);
			return;
		}
		if (path.equals("/keep"))
			promise.complete(null);
		if (path.equals("/release"))
			for (HttpExchange h = held.poll(); h != null; h = held.poll())
				reply(h, "held\n".getBytes());
		reply(x, body(path));
		if (path.equals("/nap"))
			LockSupport.parkNanos(1000000000L);
	}

	static SSLContext context(String file) throws Exception {
		KeyStore keys = KeyStore.getInstance("PKCS12");
		KeyManagerFactory managers = KeyManagerFactory.getInstance("PKIX");
		SSLContext context = SSLContext.getInstance("TLS");

		try (FileInputStream in = new FileInputStream(file)) {
			keys.load(in, "changeit".toCharArray());
		}
		managers.init(keys, "changeit".toCharArray());
		context.init(managers.getKeyManagers(), null, null);
		return context;
	}

	static void start(HttpServer server, ExecutorService pool) {
		server.setExecutor(pool);
		server.createContext("/", Mixed::serve);
		server.start();
	}

	public static void main(String[] args) throws Exception {
		InetSocketAddress at = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0]));
		ExecutorService pool = Executors.newFixedThreadPool(Integer.parseInt(args[2]));

		backend = args[1];
		if (args.length > 4) {
			HttpsServer https = HttpsServer.create(
				new InetSocketAddress("127.0.0.1", Integer.parseInt(args[3])), 16);

			https.setHttpsConfigurator(new HttpsConfigurator(context(args[4])));
			start(https, pool);
		}
		Thread ticker = new Thread(() -> tick(pool));
		ticker.setDaemon(true);
		ticker.start();
		start(HttpServer.create(at, 16), pool);
	}
}
