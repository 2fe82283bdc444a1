// SPDX-License-Identifier: Apache-2.0
#include "app/injection_endpoint.hpp"

#include <algorithm>
#include <future>

#include <nlohmann/json.hpp>

#include "auth/entering.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace sealpost::app {
namespace {

using admin::Page;
using injection::Mistake;

constexpr std::uint32_t most_injecting = InjectionEndpoint::most_connections;
constexpr std::uint64_t least_memory = std::uint64_t{64} << 20;  // for bodies that are being read
constexpr std::size_t longest_key = 255;
constexpr std::string_view json_type = "application/json";
constexpr const char* injection_path = "/v1/messages";

// JSON holds attachments as base64, and the whole message where it is raw.
std::uint64_t most_body(std::uint64_t most_message) {
  return most_message / 3 * 4 + (std::uint64_t{1} << 20);
}

admin::HttpLimits injection_limits() {
  admin::HttpLimits limits;
  limits.connections = most_injecting;
  limits.request = std::chrono::minutes(5);  // a message may be large, and some lines are slow
  limits.place = std::chrono::seconds(30);
  limits.turn = std::chrono::seconds(5);
  return limits;
}

// Programs come from few addresses, often one; none of them has all places.
intake::ConnectionCaps injection_caps() {
  intake::ConnectionCaps caps;
  caps.total = caps.strangers = most_injecting;
  caps.client = most_injecting;  // loopback: programs of this machine, or a proxy that speaks for everybody
  caps.stranger = caps.stranger_network = most_injecting / 2;
  caps.stranger_rate = 6000;
  return caps;
}

// A token is known to its digest, so that somebody's failures are not another's, and nobody's at all is none.
auth::BrakeSettings injection_brakes() {
  auth::BrakeSettings settings;
  settings.free_of_name = 1'000'000'000;  // names are digests of what was tried
  settings.most_under_way = settings.most_under_way_of_network = most_injecting;
  return settings;
}

Page refusal_page(const Mistake& mistake) {
  nlohmann::json json{{"error", mistake.what}};
  if (!mistake.at.empty()) json["at"] = mistake.at;
  if (!mistake.remedy.empty()) json["remedy"] = mistake.remedy;
  if (!mistake.smtp.empty()) json["smtp"] = mistake.smtp;
  for (const auto& refused : mistake.refused)
    json["refused"].push_back({{"recipient", refused.address}, {"why", refused.why}});
  Page page(mistake.status, json.dump() + "\n", json_type);
  if (mistake.retry_after > 0) page.header("Retry-After", std::to_string(mistake.retry_after));
  if (mistake.status == 401) page.header("WWW-Authenticate", "Bearer realm=\"sealpost\"");
  return page;
}

// What the server itself says is a line of text.
void shape_page(Page& page) {
  if (page.type == json_type) return;
  const nlohmann::json json{{"error", page.body.substr(0, page.body.find('\n'))}};
  page.body = json.dump() + "\n";
  page.type = json_type;
}

// RFC 6750 §2.1: "Bearer", in any case, and what follows.
std::string_view bearer_of(const admin::HttpRequest& request) {
  const std::string_view field = request.field("authorization");
  if (!text::istarts_with(field, "bearer ")) return {};
  return text::trim(field.substr(7));
}

// Empty: there is none. An error: it is not to be used.
Expected<std::string, Mistake> key_of_request(const admin::HttpRequest& request) {
  const auto named = [](const auto& field) { return field.first == "idempotency-key"; };
  const auto times = std::count_if(request.fields.begin(), request.fields.end(), named);
  if (times == 0) return std::string();
  const std::string_view key = request.field("idempotency-key");
  const bool fits = !key.empty() && key.size() <= longest_key &&
                    std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
  if (times > 1 || !fits)
    return Mistake(400, "Idempotency-Key", "a key is 1 to 255 printable characters, said once");
  return std::string(key);
}

class Counted {
 public:
  explicit Counted(std::atomic<int>& count) noexcept : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::atomic<int>& count_;
};

}  // namespace

// Who asks, or why he is not answered.
struct InjectionEndpoint::Admission {
  Admission() = default;
  auth::AccountPtr account;
  std::string token;
  std::optional<Page> refusal;
};

InjectionEndpoint::InjectionEndpoint(event::EventLoop& loop, auth::Accounts& accounts,
                                     const intake::Services& services, injection::Injector::Settings settings,
                                     const std::string& data_dir, Health* health, std::uint64_t most_message,
                                     HttpTls::Certificates certificates)
    : loop_(loop),
      accounts_(accounts),
      tls_(certificates),
      places_(injection_caps()),
      memory_(std::max(least_memory, 2 * most_body(most_message))),
      brakes_(injection_brakes()),
      injector_(loop, services, std::move(settings), injection::OnceStore(data_dir, health)),
      server_(loop, {}, injection_limits()) {
  admin::HttpServer::Box box(
      injection_path, [this](admin::Visit visit) { return take(std::move(visit)); }, places_, memory_);
  box.taken = admin::HttpTaken::messages;
  box.most_message = most_body(most_message);
  box.encrypted_only = static_cast<bool>(certificates);
  box.admit = [this](const admin::Visit& visit) { return admit(visit); };
  box.shape = shape_page;
  box.answered = [this](const IpAddress& client, const Page& page) { answered(client, page); };
  server_.serve_box(std::move(box));
  if (certificates)
    server_.tls([this](std::unique_ptr<event::Stream> plain, Duration limit) {
      return tls_.begin(std::move(plain), limit);
    });
}

InjectionEndpoint::~InjectionEndpoint() { stop(); }

void InjectionEndpoint::recall(const std::vector<spool::StoredMessagePtr>& recovered) {
  injector_.recall(recovered);
}

Expected<void> InjectionEndpoint::listen(FileDescriptor socket) { return server_.listen(std::move(socket)); }

// As a worker's: the loop belongs to the thread that made it until it runs.
void InjectionEndpoint::start() {
  std::promise<void> running;
  loop_.post([&running] { running.set_value(); });
  thread_ = std::thread([this] { loop_.run(); });
  running.get_future().wait();
}

void InjectionEndpoint::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

// One answer for all that is no good token. What was presented is in no log, in no answer, and in no place but its digest
// (T-05, T-33); which of its octets were right no time tells, because it is looked for by that digest (T-32).
event::Task<InjectionEndpoint::Admission> InjectionEndpoint::admission(const admin::Visit& visit) {
  Admission admission;
  const std::string digest = auth::digest_of_token_key(bearer_of(visit.request));
  auth::Attempt attempt(
      brakes_, visit.client,
      digest.empty() ? std::string()
                     : text::hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()}));
  const auth::Entered entered = co_await auth::enter(loop_, attempt);
  if (entered != auth::Entered::yes) {
    Mistake slow(429, "Authorization", "too many requests with a wrong token have come from this address",
                 "wait, and look for the program that sends it");
    slow.retry_after = 60;
    admission.refusal = refusal_page(slow);
    log_denied(visit.client, "too many wrong tokens");
    co_return admission;
  }
  auth::Accounts::TokenHolder holder;
  if (!digest.empty()) {
    auto found = co_await accounts_.by_token(loop_, digest, "send", loop_.believed().latest);
    if (!found) {
      attempt.leave(auth::Brakes::Ending::unknown, loop_.steady());
      Mistake away(503, "Authorization", "tokens cannot be looked at now",
                   "try again later, with the same key");
      away.retry_after = 30;
      admission.refusal = refusal_page(away);
      co_return admission;
    }
    holder = std::move(*found);
  }
  const bool right = holder.account != nullptr;
  attempt.leave(right ? auth::Brakes::Ending::right : auth::Brakes::Ending::wrong, loop_.steady());
  if (!right) {
    counters_.denied.fetch_add(1, std::memory_order_relaxed);
    log_denied(visit.client, digest.empty() ? "no token" : "no such token, or it is none any more");
    const Mistake wrong(401, "Authorization", "there is no such token, or it is none any more",
                        "say Authorization: Bearer with a token that 'sealpost token add' made");
    admission.refusal = refusal_page(wrong);
    co_return admission;
  }
  if (!holder.has_scope) {
    log_denied(visit.client, "the token has not the scope send");
    const Mistake narrow(403, "Authorization", "this token may not send mail",
                         "make one with --scope send ('sealpost token add')");
    admission.refusal = refusal_page(narrow);
    co_return admission;
  }
  admission.account = std::move(holder.account);
  admission.token = std::move(holder.token);
  co_return admission;
}

// Before its body is read: who may not send has none of our memory.
event::Task<std::optional<Page>> InjectionEndpoint::admit(const admin::Visit& visit) {
  if (draining_) {
    Mistake ending(503, "", "the relay is ending", "try again, with the same key");
    ending.retry_after = 5;
    co_return refusal_page(ending);
  }
  auto seen = co_await admission(visit);
  co_return std::move(seen.refusal);
}

event::Task<Page> InjectionEndpoint::take(admin::Visit visit) {
  const Counted counted(under_way_);
  // Once more: a token may have been revoked while the body came.
  auto seen = co_await admission(visit);
  if (seen.refusal) co_return std::move(*seen.refusal);
  const auto key = key_of_request(visit.request);
  if (!key) co_return refusal_page(key.error());

  injection::Injection wanted;
  wanted.account = seen.account;
  wanted.client = visit.client;
  wanted.tls = visit.tls;
  const bool json = text::istarts_with(visit.request.field("content-type"), json_type);
  if (!key->empty()) {
    const std::string content = (json ? "json?" : "message?") + visit.request.query + "\n" + visit.form;
    wanted.once = injection::once_mark(seen.account->name, *key, content);
  }
  const injection::WishLimits limits = injector_.limits();
  if (json && !visit.request.query.empty())
    co_return refusal_page(Mistake(400, "?", "a query is for message/rfc822", "say it in the JSON"));
  Expected<injection::Wish, Mistake> wish =
      json ? injection::read_json_wish(visit.form, limits)
           : injection::read_message_wish(visit.request.query, std::move(visit.form), limits);
  if (!wish) co_return refusal_page(wish.error());
  wanted.wish = std::move(*wish);
  const std::size_t recipients = wanted.wish.recipients.size();
  auto taken = co_await injector_.take(std::move(wanted));
  if (!taken) co_return refusal_page(taken.error());
  (taken->repeated ? counters_.repeated : counters_.taken).fetch_add(1, std::memory_order_relaxed);
  const std::string id = taken->id.to_string();
  const nlohmann::json answer{{"id", id}, {"recipients", recipients}};
  Page page(202, answer.dump() + "\n", json_type);
  if (taken->repeated) page.header("Idempotency-Replayed", "true");
  if (log::enabled(log::Level::info))
    log::info("injected", {{"id", id},
                           {"client", visit.client.to_string()},
                           {"user", seen.account->name},
                           {"token", seen.token},
                           {"repeated", taken->repeated ? "yes" : "no"}});
  co_return page;
}

void InjectionEndpoint::answered(const IpAddress& client, const Page& page) {
  if (page.status < 400) return;
  (page.status < 500 ? counters_.refused : counters_.put_off).fetch_add(1, std::memory_order_relaxed);
  if (page.status == 401 || !log::enabled(log::Level::info) || !lines_.allow(loop_.now())) return;
  log::info("injection_refused", {{"client", client.to_string()},
                                  {"status", page.status},
                                  {"why", page.body.substr(0, page.body.find('\n'))}});
}

void InjectionEndpoint::log_denied(const IpAddress& client, std::string_view why) {
  if (!log::enabled(log::Level::info) || !denied_lines_.allow(loop_.now())) return;
  log::info("injection_denied", {{"client", client.to_string()}, {"why", why}});
}

}  // namespace sealpost::app
