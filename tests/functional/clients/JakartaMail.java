// SPDX-License-Identifier: Apache-2.0
// Sends one message as its arguments say, name=value: tests/functional/drivers.py has the names.
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Properties;

class JakartaMail {
    public static void main(String[] words) throws Exception {
        Properties way = new Properties();
        for (String word : words) way.put(word.split("=", 2)[0], word.split("=", 2)[1]);
        String tls = way.getProperty("tls");
        Properties settings = new Properties();
        settings.put("mail.smtp.host", "127.0.0.1");
        settings.put("mail.smtp.port", way.getProperty("port"));
        settings.put("mail.smtp.localhost", "client.home.test");
        settings.put("mail.smtp.starttls.enable", String.valueOf(tls.equals("starttls")));
        settings.put("mail.smtp.starttls.required", String.valueOf(tls.equals("starttls")));
        settings.put("mail.smtp.ssl.enable", String.valueOf(tls.equals("implicit")));
        if (way.getProperty("certificate").isEmpty()) settings.put("mail.smtp.ssl.trust", "*");
        settings.put("mail.smtp.from", way.getProperty("sender"));
        settings.put("mail.mime.allowutf8", way.getProperty("utf8"));
        if (way.getProperty("chunks").equals("true")) settings.put("mail.smtp.chunksize", "4096");
        if (!way.getProperty("auth").isEmpty()) {
            settings.put("mail.smtp.auth", "true");
            settings.put("mail.smtp.auth.mechanisms", way.getProperty("auth"));
        }
        Session session = Session.getInstance(settings);
        session.setDebug(true);
        byte[] octets = way.getProperty("message").getBytes(StandardCharsets.UTF_8);
        MimeMessage message = new MimeMessage(session, new ByteArrayInputStream(octets));
        InternetAddress[] to = {new InternetAddress(way.getProperty("recipient"), false)};
        try (Transport transport = session.getTransport("smtp")) {
            if (way.getProperty("auth").isEmpty()) transport.connect();
            else transport.connect(way.getProperty("user"), way.getProperty("password"));
            transport.sendMessage(message, to);
        }
    }
}
