// SPDX-License-Identifier: Apache-2.0
#include "intake/incoming_message.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "intake/sender_rights.hpp"
#include "intake/storing.hpp"
#include "mail/header.hpp"
#include "mail/received.hpp"
#include "mail/smtputf8.hpp"
#include "mail/submission.hpp"

namespace sealpost::intake {
namespace {

constexpr std::size_t part_octets = 256 * 1024;             // written ahead in pieces of this size
constexpr std::size_t part_room = part_octets + 64 * 1024;  // a part, and the read that passes its size
constexpr std::size_t lease_step = 16 * 1024;

constexpr smtp::ServerReply not_stored{451, "4.3.0", "message could not be stored, try again later"};
constexpr smtp::ServerReply mail_loop{554, "5.4.6", "too many hops, this message is in a loop"};

constexpr smtp::ServerReply malformed{
    554, "5.6.0", "header malformed: a line that is no field, or no From field that names its authors"};
constexpr smtp::ServerReply not_utf8{
    550, "5.6.0", "message has a header beyond ASCII that is no UTF-8, which SMTPUTF8 says it is (RFC 6532)"};
constexpr smtp::ServerReply not_the_author{550, "5.7.1",
                                           "your account may not send as an author in the From field"};

ReceivedFacts received_facts(const smtp::SessionInfo& session, const Settings& settings,
                             const Envelope& envelope, const MessageId& id, SystemTime now) {
  ReceivedFacts facts;
  facts.helo = session.helo;
  facts.client = session.peer.address;
  facts.hide_client = settings.hide_client;
  facts.by = settings.server->hostname;
  facts.with.esmtp = session.esmtp;
  facts.with.http = session.http;
  facts.with.auth = session.account != nullptr;  // who it is concerns no receiver
  facts.with.utf8 = envelope.smtputf8;
  facts.id = id;
  // Beyond ASCII it stays out: our field must not be the reason why a hop has to offer SMTPUTF8.
  if (envelope.recipients.size() == 1 && is_ascii(envelope.recipients.front().address))
    facts.for_address = envelope.recipients.front().address;
  if (session.tls) {
    facts.with.tls = true;
    facts.tls_cipher = session.tls->cipher;
    facts.tls_group = session.tls->group;
  }
  facts.when = now;
  return facts;
}

}  // namespace

SpooledMessage::SpooledMessage(Worker& worker, SettingsPtr settings, const smtp::SessionInfo& session,
                               bool trusted, Envelope envelope, std::uint64_t size_hint)
    : worker_(worker),
      settings_(std::move(settings)),
      session_(session),
      trusted_(trusted),
      id_(MessageId::make(worker.loop.date())),
      lease_(worker.services.bodies) {
  envelope.arrival = worker.loop.date();
  envelope.received_from = session.helo + " (" + session.peer.address.to_smtp_literal() + ")";
  if (session.account) {
    envelope.account = session.account->name;
    envelope.flags.tls_need = std::max(envelope.flags.tls_need, session.account->tls);
  }
  message_.id = id_;
  message_.body = received_header(received_facts(session, *settings_, envelope, id_, envelope.arrival));
  message_.envelope = std::move(envelope);
  own_octets_ = message_.body.size();
  if (message_.envelope.smtputf8) utf8_ = std::make_unique<Utf8Headers>();
  // Nearly every hop has to encode binary mail anew, which no signature survives (RFC 6376 §5.3).
  if (settings_->dkim && message_.envelope.body != BodyType::binary)
    signing_ = std::make_unique<RelaySigning>(settings_->dkim);
  // Room at once instead of by doubling; what a client only claims stays untouched, so it takes no memory.
  message_.body.reserve(own_octets_ + std::min<std::uint64_t>(size_hint, part_room));
}

SpooledMessage::~SpooledMessage() {
  if (wrote_ahead_ && !stored_) worker_.services.spool.discard(id_);
}

smtp::IncomingMessage::Progress SpooledMessage::refuse(const smtp::ServerReply& reply) noexcept {
  refusal_ = reply;
  return Progress::refused;
}

// ---- while it arrives
// -----------------------------------------------------------------------------------------

smtp::IncomingMessage::Progress SpooledMessage::appended() {
  const std::size_t held = message_.body.size();
  if (held >= part_octets) return Progress::settle;
  return lease_.grow_to(up_to_step(held, lease_step)) ? Progress::go_on : Progress::settle;
}

event::Task<smtp::IncomingMessage::Progress> SpooledMessage::settle() {
  // Short of memory, what there is goes to the journal early: sessions that hold much and wait for more would
  // wait for each other. Not before the header is whole, which is looked at in one piece.
  const bool ahead = message_.body.size() >= part_octets || head_is_whole();
  if (ahead) {
    const Progress progress = co_await write_ahead();
    if (progress == Progress::refused) co_return progress;
  }
  const std::size_t held = message_.body.size() + (signing_ ? signing_->held() : 0);
  const std::uint64_t wanted = std::max<std::uint64_t>(up_to_step(held, lease_step), lease_step);
  if (lease_.grow_to(wanted)) co_return Progress::go_on;
  const bool got = co_await lease_.wait_for(worker_.loop, wanted, memory_wait);
  co_return got ? Progress::go_on : refuse(no_memory);
}

event::Task<smtp::IncomingMessage::Progress> SpooledMessage::write_ahead() {
  if (const auto refused = look_at_head(Come::part)) co_return refuse(*refused);
  look_at_what_came();
  wrote_ahead_ = true;
  std::string part = std::exchange(message_.body, {});
  const std::uint64_t octets = part.size();
  auto extent = co_await worker_.services.spool.append_body(worker_.loop, id_, std::move(part));
  lease_.clear();  // only now: until here the octets were in memory, wherever
  if (!extent) {
    note_trouble(worker_, id_, extent.error());
    co_return refuse(extent.error().code == Errc::no_space ? no_space : not_stored);
  }
  message_.chunks.push_back(*extent);
  message_.chunk_octets += octets;
  message_.body.reserve(part_room);
  co_return Progress::go_on;
}

bool SpooledMessage::head_is_whole() const noexcept {
  if (head_seen_) return true;
  const std::string_view text = std::string_view(message_.body).substr(own_octets_);
  return text.starts_with("\r\n") || text.find("\r\n\r\n") != std::string_view::npos;
}

// Of a client with an account, before anything is made of it: what is missing is added, what nobody else may read is
// taken out (RFC 6409 §8), and whoever it names as its authors must be the account's (T-60).
std::optional<smtp::ServerReply> SpooledMessage::complete_head(Come come) {
  if (come == Come::part && !head_is_whole()) return malformed;  // longer than is kept in one piece
  const std::string_view text = std::string_view(message_.body).substr(own_octets_);
  const std::size_t octets = header_octets(text);
  if (octets >= header_scan_cap) return malformed;
  SubmissionFacts facts;
  facts.sender = message_.envelope.reverse_path;
  facts.hostname = settings_->server->hostname;
  facts.now = message_.envelope.arrival;
  const auto header = submitted_header(text.substr(0, octets), facts);
  if (!header) return malformed;
  for (const std::string& author : header->authors)
    if (!may_send_as(*session_.account, author)) return not_the_author;
  message_.body.replace(own_octets_, octets, header->text);
  return std::nullopt;
}

// Once, while the head is in memory: refused when the message has passed too many relays (T-38, RFC 5321 §6.3).
// "TLS-Required: No" lets a message go where what the recipient publishes would refuse it, so it counts only where the
// operator says so (T-61), from clients that may relay, and never beside the MAIL parameter REQUIRETLS (RFC 8689 §4.1). Nor in a header whose line
// ends were mended: a relay before us that sees a line only behind CRLF has not seen that field.
std::optional<smtp::ServerReply> SpooledMessage::look_at_head(Come come) {
  if (head_seen_) return std::nullopt;
  if (session_.account)
    if (const auto refused = complete_head(come)) return refused;
  head_seen_ = true;
  const HeadFacts head = scan_head(std::string_view(message_.body).substr(own_octets_));
  MessageFlags& flags = message_.envelope.flags;
  flags.tls_required_no = head.tls_required_no && trusted_ && settings_->honour_tls_required &&
                          !flags.requiretls && !header_mended_;
  if (head.received >= settings_->most_hops) return mail_loop;
  message_.envelope.message_id = digest_of_message_id(head.message_id);
  return std::nullopt;
}

// What is in memory, before it leaves for the journal. Our Received field stays out of it.
void SpooledMessage::look_at_what_came() {
  std::string_view came = message_.body;
  if (!wrote_ahead_) came.remove_prefix(own_octets_);
  if (signing_) signing_->add(came);
  if (utf8_) utf8_->add(came);
}

// ---- DKIM
// -----------------------------------------------------------------------------------------------

// In front of everything. Of a message that is in the journal already they are one more part, named first.
event::Task<Expected<void>> SpooledMessage::put_signatures() {
  if (!signing_) co_return Expected<void>();
  std::string fields = signing_->finish(worker_.loop.date());
  log_signing();
  if (fields.empty()) co_return Expected<void>();
  if (!wrote_ahead_) {
    message_.body.insert(0, fields);
    co_return Expected<void>();
  }
  const std::uint64_t octets = fields.size();
  auto extent = co_await worker_.services.spool.append_body(worker_.loop, id_, std::move(fields));
  if (!extent) co_return extent.error();
  message_.chunks.insert(message_.chunks.begin(), *extent);
  message_.chunk_octets += octets;
  co_return Expected<void>();
}

void SpooledMessage::log_signing() const {
  if (signing_->problem().empty() || !worker_.unsigned_lines.allow(worker_.loop.now())) return;
  const std::string id = id_.to_string();
  log::warning("dkim_unsigned", {{"id", id},
                                 {"from", message_.envelope.reverse_path},
                                 {"why", signing_->problem()},
                                 {"do", "the message is relayed without a signature"}});
}

// ---- at its end
// -----------------------------------------------------------------------------------------------

event::Task<Expected<MessageId, smtp::ServerReply>> SpooledMessage::finish(bool eight_bit) {
  const SteadyTime ended = worker_.loop.steady();
  if (const auto refused = look_at_head(Come::all)) co_return *refused;
  // Content decides, not only what MAIL said: a next hop that offers 8BITMIME is then told (RFC 6152).
  if (eight_bit && message_.envelope.body != BodyType::binary)
    message_.envelope.body = BodyType::eight_bit_mime;
  look_at_what_came();
  if (utf8_) {
    utf8_->finish();
    if (!utf8_->well_formed()) co_return not_utf8;
    message_.envelope.smtputf8 = utf8_->beyond_ascii();  // said by many about mail that has no need of it
  }
  const Expected<void> signatures = co_await put_signatures();
  if (!signatures) {
    note_trouble(worker_, id_, signatures.error());
    co_return signatures.error().code == Errc::no_space ? no_space : not_stored;
  }
  auto kept = co_await worker_.services.spool.store(worker_.loop, std::move(message_));
  if (!kept) {
    note_trouble(worker_, id_, kept.error());
    co_return kept.error().code == Errc::no_space ? no_space : not_stored;
  }
  stored_ = true;
  const spool::StoredMessagePtr stored = std::move(*kept);
  Counters& counters = worker_.services.counters;
  counters.messages.fetch_add(1, std::memory_order_relaxed);
  counters.recipients.fetch_add(stored->envelope.recipients.size(), std::memory_order_relaxed);
  counters.octets.fetch_add(stored->size, std::memory_order_relaxed);
  log_accepted(*stored);
  worker_.services.sink.accepted(stored);
  counters.acknowledgement.observe(worker_.loop.steady() - ended);
  co_return id_;
}

void SpooledMessage::log_accepted(const spool::StoredMessage& stored) const {
  if (!log::enabled(log::Level::info)) return;
  const std::string id = id_.to_string();
  const std::string client = session_.peer.address.to_string();
  const auto& recipients = stored.envelope.recipients;
  const std::string_view tls = session_.tls ? name_of(session_.tls->version) : std::string_view("none");
  const std::string_view dkim = signing_          ? std::string_view(signing_->outcome())
                                : settings_->dkim ? "binary"
                                                  : "off";
  const auto line = [&](auto... more) {
    log::info("accepted", {{"id", id},
                           {"client", client},
                           {"helo", session_.helo},
                           {"from", stored.envelope.reverse_path},
                           {"recipients", recipients.size()},
                           {"rcpt", recipients.front().address},
                           {"size", stored.size},
                           {"tls", tls},
                           {"dkim", dkim},
                           more...});
  };
  if (session_.account)
    line(log::Field("user", session_.account->name));
  else
    line();
}

}  // namespace sealpost::intake
