// SPDX-License-Identifier: Apache-2.0
// Sends one message as the JSON on standard input says: tests/functional/drivers.py has its members.
const fs = require('fs');
const way = JSON.parse(fs.readFileSync(0, 'utf8'));
const tls = { rejectUnauthorized: false };
if (way.certificate) tls.cert = tls.key = fs.readFileSync(way.certificate);
const transport = require('nodemailer').createTransport({
  host: '127.0.0.1', port: way.port, name: 'client.home.test', secure: way.tls === 'implicit',
  requireTLS: way.tls === 'starttls', ignoreTLS: way.tls === '', tls,
  auth: way.auth ? { user: way.user, pass: way.password } : undefined, authMethod: way.auth || undefined,
});
transport.sendMail({ envelope: { from: way.sender, to: [way.recipient] }, raw: way.message }, (error) => {
  if (error) { console.error(error); process.exit(1); }
});
