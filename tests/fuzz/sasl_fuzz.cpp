// SPDX-License-Identifier: Apache-2.0
//
// What a client says in AUTH: no words of its let it in, none comes back unescaped, an exchange ends; and for every first
// message of SCRAM that is taken, who has the key is let in, and nobody else.
// Input: one octet for the mechanism, then messages, each but the last ending in LF.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/accounts.hpp"
#include "auth/password.hpp"
#include "auth/plain.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "event/run.hpp"
#include "event/sim_loop.hpp"
#include "require.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::auth;

// Nobody reads and nobody hashes: what is said is all that is looked at.
class NoRoom final : public event::BlockingPool {
 public:
  bool submit(std::function<void()>) override { return false; }
};

bool is_printable(std::string_view text) {
  for (const char c : text)
    if (c < ' ' || c > '~') return false;
  return true;
}

void talk(std::string_view mechanism, const std::vector<std::string_view>& messages, const Channel& channel) {
  AccountsSettings settings;
  settings.reading = std::make_unique<NoRoom>();
  settings.hashing = std::make_unique<NoRoom>();
  settings.nonce = [] { return std::string("server"); };
  Accounts accounts("/nonexistent", nullptr, std::move(settings));
  event::SimLoop loop;
  const auto exchange = accounts.begin(loop, mechanism, channel);
  require(exchange != nullptr);
  bool ended = false;
  for (const std::string_view message : messages) {
    const Step step = event::run_until_done(loop, exchange->step(std::string(message)));
    require(step.kind != Step::Kind::accepted && step.account == nullptr);
    require(is_printable(step.why) && is_printable(step.name) && is_printable(step.text));
    if (ended) require(step.kind == Step::Kind::malformed);
    ended = ended || step.kind != Step::Kind::challenge;
  }
}

void scram(std::string_view first, std::string_view last, const ScramBinding& binding) {
  ScramServer server(binding, "server");
  if (!server.hear_first(first)) return;
  const std::string client_key(32, 'k');
  ScramKeys keys;
  keys.salt = "salt";
  keys.iterations = least_scram_iterations;
  const Sha256 stored = sha256(client_key);
  keys.stored_key.assign(stored.begin(), stored.end());
  keys.server_key = std::string(32, 's');
  const std::string challenge = server.challenge(keys);
  require(!server.hear_final(last, keys));

  const std::size_t bare = first.find(',', first.find(',') + 1) + 1;
  std::string header(first.substr(0, bare));
  if (first.starts_with("p=tls-exporter,")) header += binding.tls_exporter;
  if (first.starts_with("p=tls-server-end-point,")) header += binding.tls_server_end_point;
  const std::string nonce = challenge.substr(0, challenge.find(",s="));
  const std::string without_proof = "c=" + text::base64(header) + "," + nonce;
  const std::string message = std::string(first.substr(bare)) + "," + challenge + "," + without_proof;
  std::string proof = hmac_sha256(keys.stored_key, message);
  for (char& c : proof) c = static_cast<char>(c ^ 'k');
  const auto word = server.hear_final(without_proof + ",p=" + text::base64(proof), keys);
  require(word && *word == "v=" + text::base64(hmac_sha256(keys.server_key, message)));
  proof.front() = static_cast<char>(proof.front() ^ 1);
  require(!server.hear_final(without_proof + ",p=" + text::base64(proof), keys));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view said(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr std::size_t most = 8;
  std::vector<std::string_view> messages = text::split(said, '\n');
  if (messages.size() > most) messages.resize(most);
  Channel channel;
  channel.encrypted = true;
  channel.tls_exporter = "exporter";
  if ((data[0] & 4) == 0) channel.tls_server_end_point = "end point";
  constexpr std::string_view mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
  const std::size_t which = data[0] & 3;
  talk(mechanisms[which], messages, channel);
  channel.certified_user = "anna";
  talk("EXTERNAL", messages, channel);

  if (const auto plain = parse_plain(said))
    require(plain->authorization + '\0' + plain->name + '\0' + std::string(plain->password.view()) == said);
  if (const auto name = prepared_name(said)) require(prepared_name(*name).value_or("") == *name);
  ScramBinding binding;
  binding.plus = which == 3;
  binding.tls_exporter = channel.tls_exporter;
  binding.tls_server_end_point = channel.tls_server_end_point;
  scram(messages.front(), messages.back(), binding);
  return 0;
}
