// SPDX-License-Identifier: Apache-2.0
// JDBC: URL USER
import java.sql.*;

public class PgJdbc {
	public static void main(String[] args) throws Exception {
		try (Connection c = DriverManager.getConnection(args[0], args[1], "")) {
			Statement s = c.createStatement();
			ResultSet r = s.executeQuery("SELECT 'x', 1");
			r.next();
			System.out.println(r.getString(1));
			PreparedStatement p =
				c.prepareStatement("SELECT relname FROM pg_class WHERE oid = ?");
			for (int i = 0; i < 7; i++) { // named from the fifth on
				p.setInt(1, 1259);
				r = p.executeQuery();
				r.next();
				System.out.println(r.getString(1));
			}
			s.execute("CREATE TEMP TABLE j (a int, b text)");
			p = c.prepareStatement("INSERT INTO j VALUES (?, ?)");
			for (int i = 0; i < 10; i++) {
				p.setInt(1, i);
				p.setString(2, "secret");
				p.addBatch();
			}
			System.out.println(p.executeBatch().length);
			try {
				s.executeQuery("SELECT * FROM nowhere");
			} catch (SQLException e) {
				System.out.println(e.getSQLState());
			}
			c.setAutoCommit(false);
			r = s.executeQuery("SELECT count(*) FROM j WHERE a IN (1, 2)");
			r.next();
			System.out.println(r.getInt(1));
			c.commit();
		}
	}
}
