// SPDX-License-Identifier: Apache-2.0
// Cat PORT BACKEND servlet|async|task: an embedded Tomcat.  /work calls the service below by
// URLConnection, with its body reversed: in the servlet, in the container's own threads once the
// servlet has returned, or there while the servlet waits for it.
import java.io.File;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.concurrent.ExecutorService;
import javax.servlet.AsyncContext;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

public class Cat extends HttpServlet {
	static String backend, shape;
	static Tomcat tomcat;

	static byte[] call(byte[] body) throws IOException {
		HttpURLConnection c = (HttpURLConnection) new URL(backend + "/leaf").openConnection();

		c.setConnectTimeout(10000);
		c.setDoOutput(true);
		c.getOutputStream().write(
			new StringBuilder(new String(body)).reverse().toString().getBytes());
		return c.getInputStream().readAllBytes();
	}

	static void reply(HttpServletResponse to, byte[] body) throws IOException {
		to.setContentLength(body.length);
		to.getOutputStream().write(body);
	}

	static byte[] inTask(byte[] body) throws Exception {
		ExecutorService pool = (ExecutorService) tomcat.getConnector().getProtocolHandler()
			.getExecutor();

		return pool.submit(() -> call(body)).get();
	}

	@Override
	protected void service(HttpServletRequest from, HttpServletResponse to) throws IOException {
		byte[] body = from.getInputStream().readAllBytes();

		if (!from.getRequestURI().equals("/work")) {
			reply(to, "page\n".getBytes());
		} else if (shape.equals("servlet")) {
			reply(to, call(body));
		} else if (shape.equals("task")) {
			try {
				reply(to, inTask(body));
			} catch (Exception e) {
				throw new IOException(e);
			}
		} else {
			AsyncContext later = from.startAsync();

			later.start(() -> {
				try {
					reply((HttpServletResponse) later.getResponse(), call(body));
				} catch (IOException e) {
					return;
				} finally {
					later.complete();
				}
			});
		}
	}

	public static void main(String[] args) throws Exception {
		Context context;

		backend = args[1];
		shape = args[2];
		tomcat = new Tomcat();
		tomcat.setBaseDir(new File(".").getAbsolutePath());
		tomcat.setPort(Integer.parseInt(args[0]));
		tomcat.getConnector().setProperty("address", "127.0.0.1");
		tomcat.getConnector().setProperty("acceptCount", "256");
		context = tomcat.addContext("", null);
		Tomcat.addServlet(context, "cat", new Cat()).setAsyncSupported(true);
		context.addServletMappingDecoded("/*", "cat");
		tomcat.start();
		tomcat.getServer().await();
	}
}
