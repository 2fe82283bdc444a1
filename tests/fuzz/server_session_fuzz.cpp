// SPDX-License-Identifier: Apache-2.0
//
// A whole server session: whatever a client says, in whatever slices, it ends; it answers the same; it accepts the
// same messages; every message that was begun is kept or dropped; and no reply holds what the client said.
// Input: one octet for the slices (of its two highest bits one makes the client a stranger, one has bare LF refused; the
// three highest make it a client of submission, inside TLS), the rest is what the client says before it hangs up.
//
// For submission, who speaks without having heard us is sent away, so what is answered depends on the slices; what must
// hold is that no message is begun by who has not authenticated, and that no exchange outlives the session.
#include <cstdint>
#include <string>

#include "../unit/smtp/fake_tls.hpp"
#include "../unit/smtp/scripted_auth.hpp"
#include "../unit/smtp/server_fixture.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::test;

struct Heard {
  std::string replies;
  std::vector<Received> messages;
  std::optional<smtp::ServerSession::Ending> ending;
};

bool for_submission(std::uint8_t mode) { return (mode & 0xe0) == 0xe0; }

Heard talk(const std::string& said, std::size_t slice, std::uint8_t mode) {
  ScriptedAuthenticator accounts;
  SessionFixture fixture;
  if (for_submission(mode)) {
    fixture.options->service = smtp::Service::submissions;
    fixture.options->tls = std::make_shared<ThroughTls>();
    fixture.options->authenticator = &accounts;
  }
  fixture.handler.trusts = (mode & 0x80) == 0;
  fixture.options->bare_newline =
      (mode & 0x40) == 0 ? smtp::BareNewline::normalize : smtp::BareNewline::reject;
  fixture.options->limits.message_size = 4096;
  fixture.options->limits.recipients = 3;
  fixture.options->offer_dsn = true;
  fixture.handler.part = 512;
  Heard heard;
  heard.replies = fixture.talk(said, slice);
  require(fixture.ending.has_value() && fixture.script.closed);
  require(fixture.handler.begun == fixture.handler.dropped + fixture.handler.received.size());
  if (for_submission(mode)) {
    require(fixture.handler.begun == 0 || fixture.handler.trusts);
    require(fixture.handler.trusts == (fixture.session->info().account != nullptr));
    require(accounts.open == 0);
  }
  heard.messages = std::move(fixture.handler.received);
  heard.ending = fixture.ending;
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string said(data + 1, data + size);
  const Heard whole = talk(said, SIZE_MAX, data[0]);
  const Heard sliced = talk(said, 1 + data[0] % 40, data[0]);
  const bool alike = !for_submission(data[0]);
  require(!alike || (whole.replies == sliced.replies && whole.ending == sliced.ending));
  require(!alike || whole.messages.size() == sliced.messages.size());
  const auto& messages = alike ? whole.messages : sliced.messages;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Received& message = messages[i];
    require(message.body == sliced.messages[i].body);
    require(message.body.size() <= 4096);
    require(!message.envelope.recipients.empty() && message.envelope.recipients.size() <= 3);
    // Only CRLF ends a line in what is passed on (T-21, T-22); of binary mail, in the header.
    std::string lines = message.body;
    if (message.envelope.body == BodyType::binary) {
      const std::size_t head = ("\r\n" + lines).find("\r\n\r\n");
      if (head != std::string::npos) lines.resize(head + 2);
    }
    require(lines.find('\0') == std::string::npos);
    for (std::size_t at = 0; at < lines.size(); ++at) {
      const char c = lines[at];
      if (c == '\n') require(at > 0 && lines[at - 1] == '\r');
      if (c == '\r') require(at + 1 < lines.size() && lines[at + 1] == '\n');
    }
  }
  // Replies are whole lines of printable ASCII.
  for (const std::string& replies : {whole.replies, sliced.replies}) {
    require(replies.ends_with("\r\n"));
    for (const char c : replies) require((c >= ' ' && c < 127) || c == '\r' || c == '\n');
  }
  return 0;
}
