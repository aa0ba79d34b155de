// SPDX-License-Identifier: Apache-2.0
// client.py in Java: Client http|url URL: by HttpClient, or by URLConnection.
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;

public class Client {
	static final byte[] MIB = new byte[1 << 20];
	static final String[][] STEPS = { { "GET", "/page", "" }, { "GET", "/page", "" },
		{ "HEAD", "/page", "" }, { "GET", "/big", "" }, { "GET", "/stream", "" },
		{ "GET", "/nothing", "" }, { "POST", "/sum", "length" }, { "POST", "/sum", "chunks" } };
	static final HttpClient CLIENT = HttpClient.newHttpClient();

	static void tell(int status, byte[] body) throws Exception {
		StringBuilder sum = new StringBuilder();

		for (byte b : MessageDigest.getInstance("MD5").digest(body))
			sum.append(String.format("%02x", b));
		System.out.println(status + " " + body.length + " " + sum);
	}

	static BodyPublisher publisher(String how) {
		if (how.isEmpty())
			return BodyPublishers.noBody();
		if (how.equals("length"))
			return BodyPublishers.ofByteArray(MIB);
		return BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(MIB));
	}

	static void byClient(String url, String[] step) throws Exception {
		HttpRequest request = HttpRequest.newBuilder(URI.create(url + step[1]))
			.method(step[0], publisher(step[2])).build();
		HttpResponse<byte[]> answer = CLIENT.send(request, BodyHandlers.ofByteArray());

		tell(answer.statusCode(), answer.body());
	}

	static void byConnection(String url, String[] step) throws Exception {
		HttpURLConnection c = (HttpURLConnection) new URL(url + step[1]).openConnection();

		c.setRequestMethod(step[0]);
		if (step[2].equals("chunks"))
			c.setChunkedStreamingMode(50000);
		if (!step[2].isEmpty()) {
			c.setDoOutput(true);
			c.getOutputStream().write(MIB);
			c.getOutputStream().close();
		}
		try (InputStream in = c.getResponseCode() < 400 ? c.getInputStream()
			: c.getErrorStream()) {
			tell(c.getResponseCode(), in.readAllBytes());
		}
	}

	public static void main(String[] args) throws Exception {
		for (int i = 0; i < MIB.length; i++)
			MIB[i] = (byte) (255 - i);
		for (String[] step : STEPS) {
			if (args[0].equals("url"))
				byConnection(args[1], step);
			else
				byClient(args[1], step);
		}
	}
}
