// SPDX-License-Identifier: Apache-2.0
#include "app/reporting.hpp"

#include <fstream>
#include <sstream>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "event/wait.hpp"

namespace sealpost::app {
namespace {

constexpr std::uint64_t last_night_offset = 14'400;  // R26

// The same every night for one relay, different between relays: receivers see them spread.
std::chrono::seconds night_offset(const std::string& node) {
  const Sha256 digest = sha256(node);
  std::uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | digest[static_cast<std::size_t>(i)];
  return std::chrono::seconds(1 + number % last_night_offset);
}

Expected<std::shared_ptr<const DkimKey>> load_key(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return Error(Errc::io, "[dkim] key " + path + " cannot be read");
  auto key = DkimKey::from_pem(text.str());
  if (!key) return Error(Errc::invalid, "[dkim] key " + path + ": " + key.error().detail);
  return key;
}

}  // namespace

Expected<std::vector<DkimSigner>> load_dkim_keys(const Config& config) {
  std::vector<DkimSigner> signers;
  if (!config.dkim) return signers;
  const auto add = [&](const std::string& selector, const std::string& path) -> Expected<void> {
    auto key = load_key(path);
    if (!key) return key.error();
    DkimSigner signer;
    signer.domain = config.dkim->domain;
    signer.selector = selector;
    signer.key = *key;
    signers.push_back(std::move(signer));
    return {};
  };
  if (auto added = add(config.dkim->selector, config.dkim->key); !added) return added.error();
  for (const auto& also : config.dkim->also) {
    if (auto added = add(also.selector, also.key); !added) return added.error();
  }
  return signers;
}

class Reporting::QueueOutbox final : public tlsrpt::Outbox {
 public:
  QueueOutbox(event::Loop& loop, spool::Spool& spool, queue::Dispatcher& dispatcher)
      : loop_(loop), spool_(spool), dispatcher_(dispatcher) {}

  event::Task<Expected<void>> queue(std::string from, std::string to, std::string text) override {
    spool::NewMessage message;
    message.id = MessageId::make(loop_.wall());
    message.envelope.reverse_path = std::move(from);
    message.envelope.recipients.emplace_back(std::move(to));
    message.envelope.message_class = MessageClass::report;
    message.envelope.flags.tls_required_no = true;
    message.envelope.arrival = loop_.wall();
    message.envelope.received_from = "TLS-RPT";
    message.body = std::move(text);
    auto stored = co_await spool_.store(loop_, std::move(message));
    if (!stored) co_return stored.error();
    dispatcher_.accepted(*stored);
    co_return Expected<void>();
  }

 private:
  event::Loop& loop_;
  spool::Spool& spool_;
  queue::Dispatcher& dispatcher_;
};

Reporting::Reporting(event::EventLoop& loop, const Config& config, dns::CachingResolver& resolver,
                     tlsrpt::StoreAccess& store, std::shared_ptr<const tls::TrustStore> trust,
                     spool::Spool& spool, queue::Dispatcher& dispatcher, std::vector<DkimSigner> signers)
    : loop_(loop),
      resolver_(loop, resolver),
      http_(loop, std::move(trust)),
      signers_(std::move(signers)),
      send_(config.tls_rpt.send),
      outbox_(std::make_unique<QueueOutbox>(loop, spool, dispatcher)) {
  tlsrpt::SenderSettings settings;
  settings.send = config.tls_rpt.send;
  settings.identity.organization = config.tls_rpt.organization;
  settings.identity.contact = config.tls_rpt.contact;
  settings.from = config.tls_rpt.from;
  settings.wishes = config.tls_rpt.domains;
  settings.allow_destinations = config.delivery.routing.allow_destinations;
  settings.night_offset = night_offset(config.node);
  settings.most_per_destination = config.tls_rpt.most_per_destination;
  settings.keep = std::chrono::days(config.tls_rpt.keep_days);
  sender_ = std::make_unique<tlsrpt::Sender>(loop, store, resolver_, http_, *outbox_, std::move(settings),
                                             signers_);
}

Reporting::~Reporting() = default;

// Receivers drop reports whose signature does not verify (R20): better said here than found out there.
event::Task<void> Reporting::check_published_keys() {
  for (const DkimSigner& signer : signers_) {
    const std::string name = signer.selector + "._domainkey." + signer.domain;
    const dns::AnswerPtr answer = co_await resolver_.query(name, dns::RrType::txt);
    std::string problem;
    if (answer->status == dns::Status::failed)
      problem = "the lookup failed: " + answer->why;
    else if (answer->texts.empty())
      problem = "no key record is published";
    else
      problem = dkim_key_record_problem(answer->texts.front(), *signer.key, "tlsrpt");
    if (problem.empty()) {
      log::info("dkim_key_checked", {{"name", name}});
    } else {
      log::warning(
          "dkim_key_problem",
          {{"name", name}, {"why", problem}, {"do", "publish: p=" + signer.key->public_key_base64()}});
    }
  }
}

event::Task<void> Reporting::run() {
  if (send_ && signers_.empty())
    log::warning("reports_unsigned",
                 {{"why", "[tls_rpt] send = true without [dkim]"},
                  {"do", "configure [dkim]; receivers drop reports that are not signed"}});
  co_await check_published_keys();
  co_await sender_->run();
}

}  // namespace sealpost::app
