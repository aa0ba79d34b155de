// SPDX-License-Identifier: Apache-2.0
// contract.py in Java: Front PORT [BACKEND url|send|async|handoff|few|join|future|steal|virtual].  A
// pool of threads; the call below is made by URLConnection, by HttpClient, by its sendAsync, by
// URLConnection as another task of the same pool of 64 threads or of 4, or as one of the JVM's own
// pool, which a thread that waits for it works for meanwhile, or as a stage of a CompletableFuture
// of the first pool, or of a pool of 4 whose threads steal tasks, or on virtual threads (Java 21 and
// later).
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;

public class Front {
	static final byte[] BIG = new byte[1 << 20];
	static ExecutorService pool;
	static String backend, shape;
	static HttpClient client = HttpClient.newHttpClient();

	static void reply(HttpExchange x, int status, byte[] body) throws IOException {
		boolean isHead = x.getRequestMethod().equals("HEAD");

		x.getResponseHeaders().set("Content-Type", "text/plain");
		if (isHead)
			x.getResponseHeaders().set("Content-Length", "" + body.length);
		x.sendResponseHeaders(status, isHead ? -1 : body.length);
		if (!isHead)
			x.getResponseBody().write(body);
		x.close();
	}

	static void stream(HttpExchange x) throws IOException {
		x.getResponseHeaders().set("Content-Type", "text/plain");
		x.sendResponseHeaders(200, 0);
		try (OutputStream out = x.getResponseBody()) {
			for (int i = 0; i < 16; i++)
				out.write(BIG, 0, 4096);
		}
	}

	static String sum(byte[] body) throws Exception {
		StringBuilder text = new StringBuilder();

		for (byte b : MessageDigest.getInstance("MD5").digest(body))
			text.append(String.format("%02x", b));
		return text.toString();
	}

	static byte[] byConnection(byte[] leaf) throws IOException {
		HttpURLConnection c = (HttpURLConnection) new URL(backend + "/leaf").openConnection();

		c.setDoOutput(true);
		c.getOutputStream().write(leaf);
		return c.getInputStream().readAllBytes();
	}

	static HttpRequest request(byte[] leaf) {
		return HttpRequest.newBuilder(URI.create(backend + "/leaf"))
			.POST(HttpRequest.BodyPublishers.ofByteArray(leaf)).build();
	}

	static byte[] joined(byte[] leaf) {
		return CompletableFuture.supplyAsync(() -> {
			try {
				return byConnection(leaf);
			} catch (IOException e) {
				throw new UncheckedIOException(e);
			}
		}).join();
	}

	static void handOff(HttpExchange x, byte[] leaf) {
		pool.execute(() -> {
			try {
				reply(x, 200, byConnection(leaf));
			} catch (IOException e) {
				x.close();
			}
		});
	}

	static void stage(HttpExchange x, byte[] leaf) {
		CompletableFuture.supplyAsync(() -> {
			try {
				return byConnection(leaf);
			} catch (IOException e) {
				throw new UncheckedIOException(e);
			}
		}, pool).thenAcceptAsync(body -> {
			try {
				reply(x, 200, body);
			} catch (IOException e) {
				x.close();
			}
		}, pool);
	}

	static void work(HttpExchange x) throws Exception {
		byte[] leaf = new StringBuilder(new String(x.getRequestBody().readAllBytes()))
			.reverse().toString().getBytes();

		if (shape.equals("send"))
			reply(x, 200, client.send(request(leaf), BodyHandlers.ofByteArray()).body());
		else if (shape.equals("async"))
			reply(x, 200, client.sendAsync(request(leaf), BodyHandlers.ofByteArray()).get()
				.body());
		else if (shape.equals("join"))
			reply(x, 200, joined(leaf));
		else if (shape.equals("handoff") || shape.equals("few"))
			handOff(x, leaf);
		else if (shape.equals("future") || shape.equals("steal"))
			stage(x, leaf);
		else
			reply(x, 200, byConnection(leaf));
	}

	static void serve(HttpExchange x) throws IOException {
		String path = x.getRequestURI().getPath();

		try {
			if (path.equals("/page"))
				reply(x, 200, "page\n".getBytes());
			else if (path.equals("/big"))
				reply(x, 200, BIG);
			else if (path.equals("/stream"))
				stream(x);
			else if (path.equals("/sum"))
				reply(x, 200, sum(x.getRequestBody().readAllBytes()).getBytes());
			else if (path.equals("/work"))
				work(x);
			else
				reply(x, 404, "nothing here\n".getBytes());
		} catch (Exception e) {
			x.close();
		}
	}

	static ExecutorService newPool() throws Exception {
		switch (shape) {
		case "virtual":
			return (ExecutorService) Executors.class
				.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
		case "steal":
			return new ForkJoinPool(4);
		case "few":
		case "future":
			return Executors.newFixedThreadPool(4);
		default:
			return Executors.newFixedThreadPool(64);
		}
	}

	public static void main(String[] args) throws Exception {
		InetSocketAddress at = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0]));
		HttpServer server = HttpServer.create(at, 256);

		for (int i = 0; i < BIG.length; i++)
			BIG[i] = (byte) i;
		backend = args.length > 1 ? args[1] : "";
		shape = args.length > 2 ? args[2] : "url";
		pool = newPool();
		server.setExecutor(pool);
		server.createContext("/", Front::serve);
		server.start();
	}
}
