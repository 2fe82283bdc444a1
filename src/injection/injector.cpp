// SPDX-License-Identifier: Apache-2.0
#include "injection/injector.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "event/wait.hpp"
#include "mail/future_release.hpp"
#include "smtp/data_decoder.hpp"

namespace sealpost::injection {
namespace {

constexpr std::size_t piece = 64 << 10;   // of a message, given to intake at once
constexpr unsigned soon = 1, later = 60;  // Retry-After, seconds

std::array<std::uint8_t, 16> half_digest(std::string_view octets) {
  const Sha256 whole = sha256(octets);
  std::array<std::uint8_t, 16> half{};
  std::copy_n(whole.begin(), half.size(), half.begin());
  return half;
}

// What SMTP would be told, said by HTTP. `at` is where what is refused was said.
Mistake mistake_of(const smtp::ServerReply& reply, std::string at) {
  int status = 422;
  unsigned retry_after = 0;
  std::string remedy;
  if (reply.transient() || reply.code == 421) {
    const bool allowance = reply.status == "4.7.0";
    status = allowance ? 429 : 503;
    retry_after = allowance ? later : 5 * soon;
    remedy = "try again later, with the same key";
  } else if (reply.status == "5.7.1") {
    status = 403;
    remedy = "'sealpost user senders' says and changes as whom an account may send";
  } else if (reply.status == "5.3.4") {
    status = 413;
  }
  Mistake mistake(status, std::move(at), std::string(reply.text), std::move(remedy));
  mistake.smtp = std::to_string(reply.code) + " " + std::string(reply.status);
  mistake.retry_after = retry_after;
  return mistake;
}

}  // namespace

OnceMark once_mark(std::string_view account, std::string_view key, std::string_view content) {
  OnceMark mark;
  std::string named(account);
  named.append(1, '\0').append(key);
  mark.key = half_digest(named);
  mark.content = half_digest(content);
  return mark;
}

// What intake has made durable. It stays here until it may go to the queue.
class Injector::Keeper final : public intake::Sink {
 public:
  void accepted(spool::StoredMessagePtr message) override { kept_[message->id] = std::move(message); }
  spool::StoredMessagePtr take(const MessageId& id) {
    const auto found = kept_.find(id);
    if (found == kept_.end()) return nullptr;
    spool::StoredMessagePtr message = std::move(found->second);
    kept_.erase(found);
    return message;
  }

 private:
  std::unordered_map<MessageId, spool::StoredMessagePtr, MessageIdHash> kept_;
};

// To the queue, however the task that has it ends.
struct Injector::Released {
  Released(intake::Sink& onward_, spool::StoredMessagePtr message_)
      : onward(onward_), message(std::move(message_)) {}
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released() {
    if (message) onward.accepted(std::move(message));
  }
  intake::Sink& onward;
  spool::StoredMessagePtr message;
};

struct Injector::OneKey {
  OneKey(std::unordered_set<std::string>& keys_, const OnceMark& mark)
      : keys(keys_), key(mark.key.begin(), mark.key.end()), first(keys.insert(key).second) {}
  OneKey(const OneKey&) = delete;
  OneKey& operator=(const OneKey&) = delete;
  ~OneKey() {
    if (first) keys.erase(key);
  }
  std::unordered_set<std::string>& keys;
  const std::string key;
  const bool first;
};

namespace {

intake::Services with_sink(const intake::Services& services, intake::Sink& sink) {
  intake::Services own(services.spool, sink, services.connections, services.bodies, services.counters);
  own.reports = services.reports;
  return own;
}

}  // namespace

Injector::Injector(event::Loop& loop, const intake::Services& services, Settings settings, OnceStore store,
                   std::unique_ptr<event::BlockingPool> pool)
    : loop_(loop),
      onward_(services.sink),
      keeper_(std::make_unique<Keeper>()),
      worker_(loop, with_sink(services, *keeper_)),
      settings_(std::move(settings)),
      store_(std::move(store)),
      pool_(pool ? std::move(pool) : std::make_unique<event::ThreadPool>(1, 4096)),
      scope_(loop) {}

Injector::~Injector() = default;

// Their rows may be missing, if the end came between the two. Here and now: once they are delivered nothing else knows of them.
void Injector::recall(const std::vector<spool::StoredMessagePtr>& recovered) {
  std::vector<OnceRow> rows;
  for (const spool::StoredMessagePtr& message : recovered) {
    if (!message->envelope.once || message->envelope.arrival + OnceStore::kept < loop_.believed().earliest)
      continue;
    OnceRow row;
    row.mark = *message->envelope.once;
    row.id = message->id;
    row.at = message->envelope.arrival;
    rows.push_back(row);
  }
  const auto written = store_.recall(rows);  // if not, Health has said so, and they are remembered
  static_cast<void>(written);
}

WishLimits Injector::limits() const {
  const smtp::ServerLimits& in_force = settings_()->server->limits;
  WishLimits limits;
  limits.recipients = in_force.recipients;
  limits.message = in_force.message_size;
  return limits;
}

event::Task<Expected<Injected, Mistake>> Injector::take(Injection injection) {
  event::OneShot<Answer> heard(loop_);
  scope_.spawn(take_to_the_end(std::move(injection), heard.sender()));
  Answer answer = co_await heard;
  co_return answer;
}

event::Task<void> Injector::take_to_the_end(Injection injection,
                                            event::OneShot<Answer>::Sender whoever_asked) {
  if (injection.once) {
    Answer once = co_await take_once(injection);
    whoever_asked.send_here(std::move(once));
    co_return;
  }
  Answer plain = co_await take_plain(injection);
  whoever_asked.send_here(std::move(plain));
}

event::Task<Injector::Answer> Injector::take_plain(const Injection& injection) {
  auto id = co_await hand_in(injection);
  if (!id) co_return std::move(id).error();
  const Released released(onward_, keeper_->take(*id));
  Injected injected;
  injected.id = *id;
  co_return injected;
}

event::Task<Injector::Answer> Injector::take_once(const Injection& injection) {
  const OnceMark mark = *injection.once;
  const OneKey one(keys_, mark);
  if (!one.first) {
    Mistake busy(409, "Idempotency-Key", "a request with this key is under way", "ask again in a second");
    busy.retry_after = soon;
    co_return busy;
  }
  // While the date is in doubt no day is over (T-50): a key that is forgotten early is a message sent twice.
  std::function<Expected<std::optional<OnceRow>>()> look = [this, mark, now = loop_.believed().earliest] {
    return store_.find(mark, now);
  };
  auto known = co_await event::run_blocking<std::optional<OnceRow>>(*pool_, loop_, std::move(look));
  if (!known) {
    const bool full = known.error().code == Errc::no_space;
    Mistake unknown(
        503, "Idempotency-Key",
        full ? "too many keys were used within a day" : "it cannot be said now whether this key was used",
        "try again later, with the same key");
    unknown.retry_after = later;
    co_return unknown;
  }
  Injected injected;
  if (*known) {
    if (!((*known)->mark == mark))
      co_return Mistake(422, "Idempotency-Key", "this key was used for another message within the last day",
                        "a key is for one message: take a new one");
    injected.id = (*known)->id;
    injected.repeated = true;
    co_return injected;
  }
  auto id = co_await hand_in(injection);
  if (!id) co_return std::move(id).error();
  injected.id = *id;
  const Released released(onward_, keeper_->take(*id));
  OnceRow row;
  row.mark = mark;
  row.id = *id;
  row.at = loop_.believed().latest;
  std::function<Expected<bool>()> write = [this, row] {
    const auto written = store_.put(row);
    return written ? Expected<bool>(true) : Expected<bool>(written.error());
  };
  // Where it could not be written, Health has said so; it is remembered, and the message is on disk with its key.
  const auto written = co_await event::run_blocking<bool>(*pool_, loop_, std::move(write));
  static_cast<void>(written);
  co_return injected;
}

// The dialogue that an SMTP session would have had (smtp/server_session.cpp), with the same handler.
event::Task<Expected<MessageId, Mistake>> Injector::hand_in(const Injection& injection) {
  const intake::SettingsPtr settings = settings_();
  const Wish& wish = injection.wish;
  intake::ConnectionLimits::Slot slot;  // its connection has a place elsewhere
  smtp::SessionInfo session;
  session.peer = Endpoint(injection.client, 0);
  session.helo = injection.client.to_smtp_literal();
  session.http = true;
  session.account = injection.account;
  if (injection.tls) session.tls = std::make_unique<const HandshakeFacts>(*injection.tls);
  intake::ClientHandler handler(worker_, settings, intake::Standing::trusted, true, injection.client, slot);

  smtp::MailCommand mail;
  mail.reverse_path = wish.sender;
  mail.size = wish.message.size();
  if (const auto refused = handler.check_sender(session, mail)) {
    handler.refused(session, smtp::Verb::mail, *refused);
    co_return mistake_of(*refused, "");
  }
  Envelope envelope;
  envelope.reverse_path = wish.sender;
  envelope.smtputf8 = settings->server->offer_smtputf8;
  envelope.flags.tls_need = wish.tls;
  if (wish.send_at) {
    const auto time = release_time(*wish.send_at, loop_.date());
    if (!time)
      co_return Mistake(422, wish.send_at_place,
                        to_rfc3339(*wish.send_at) + " is more than 30 days away, or long past",
                        "it is " + to_rfc3339(loop_.date()) + " here; leave it out for at once");
    envelope.not_before = *time;
  }
  if (injection.once) envelope.once = std::make_shared<const OnceMark>(*injection.once);
  std::optional<Mistake> refusals;
  for (std::size_t i = 0; i < wish.recipients.size(); ++i) {
    std::string address = wish.recipients[i];
    const auto refused = handler.check_recipient(session, address);
    if (!refused) {
      envelope.recipients.emplace_back(std::move(address));
      continue;
    }
    handler.refused(session, smtp::Verb::rcpt, *refused);
    if (!refusals) refusals = mistake_of(*refused, wish.places[i]);
    refusals->refused.emplace_back(wish.recipients[i], std::string(refused->text));
  }
  if (refusals) {
    if (refusals->status == 403) refusals->status = 422;
    refusals->remedy = "nothing was sent to anybody: leave out who is refused, and send it again";
    co_return std::move(*refusals);
  }

  auto begun = handler.begin(session, std::move(envelope), wish.message.size());
  if (!begun) {
    handler.refused(session, smtp::Verb::data, begun.error());
    co_return mistake_of(begun.error(), "");
  }
  const std::unique_ptr<smtp::IncomingMessage> message = std::move(*begun);
  using Progress = smtp::IncomingMessage::Progress;
  using State = smtp::DataDecoder::State;
  smtp::DataDecoder decoder(smtp::BareNewline::normalize, smtp::DataDecoder::Framing::counted);
  std::string_view rest = wish.message;
  for (bool more = true; more;) {
    std::string& into = message->buffer();
    const smtp::DataDecoder::Result decoded = decoder.decode(rest.substr(0, piece), into);
    rest.remove_prefix(decoded.consumed);
    State state = decoded.state;
    if (state == State::more && rest.empty()) {
      state = decoder.finish(into);
      more = false;
    }
    if (state == State::bare_cr || decoder.nul()) {
      const smtp::ServerReply& why = decoder.nul() ? smtp::replies::nul_octet : smtp::replies::bare_line_end;
      handler.refused(session, smtp::Verb::data, why);
      co_return Mistake(
          422, "", decoder.nul() ? "the message has a NUL octet" : "the message has a CR that no LF follows");
    }
    if (decoder.mended_header()) message->header_was_mended();
    Progress progress = message->appended();
    if (progress == Progress::settle) progress = co_await message->settle();
    if (progress == Progress::refused) {
      handler.refused(session, smtp::Verb::data, message->refusal());
      co_return mistake_of(message->refusal(), "");
    }
  }
  auto kept = co_await message->finish(decoder.eight_bit());
  if (!kept) {
    handler.refused(session, smtp::Verb::data, kept.error());
    co_return mistake_of(kept.error(), "");
  }
  co_return *kept;
}

}  // namespace sealpost::injection
