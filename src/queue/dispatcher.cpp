// SPDX-License-Identifier: Apache-2.0
#include "queue/dispatcher.hpp"

#include <algorithm>

#include "base/random.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"

namespace sealpost::queue {

void RouteTable::add(const std::string& domain, const std::vector<std::string>& senders,
                     const Target& target) {
  if (senders.empty()) by_sender_[""].insert_or_assign(domain, target);
  for (const std::string& sender : senders) by_sender_[sender].insert_or_assign(domain, target);
}

const RouteTable::Target* RouteTable::find_in(const ByDomain& routes, std::string_view domain) {
  if (const auto exact = routes.find(domain); exact != routes.end()) return &exact->second;
  for (auto dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1)) {
    const auto below = routes.find("*" + std::string(domain.substr(dot)));
    if (below != routes.end()) return &below->second;
  }
  const auto all = routes.find("*");
  return all == routes.end() ? nullptr : &all->second;
}

const RouteTable::Target* RouteTable::find(std::string_view sender, std::string_view domain) const {
  if (by_sender_.empty()) return nullptr;
  std::vector<std::string> whose{""};
  if (by_sender_.size() > 1 && !sender.empty()) whose = {text::lower(sender), "@" + domain_of(sender), ""};
  for (const std::string& who : whose) {
    const auto routes = by_sender_.find(who);
    if (routes == by_sender_.end()) continue;
    if (const Target* found = find_in(routes->second, domain)) return found;
  }
  return nullptr;
}

const RouteTable::Target* RouteTable::to(std::string_view next_hop) const {
  for (const auto& [sender, routes] : by_sender_)
    for (const auto& [domain, target] : routes)
      if (text::iequals(target.next_hop, next_hop)) return &target;
  return nullptr;
}

Dispatcher::Dispatcher(std::vector<Shard*> shards, RouteTable routes, Schedule schedule)
    : shards_(std::move(shards)),
      routes_(std::make_shared<const Routes>(Routes{std::move(routes), 0})),
      schedule_(std::move(schedule)) {
  for (Shard* shard : shards_) shard->meet(shards_);
}

Dispatcher::RoutesPtr Dispatcher::routes() const {
  const std::lock_guard lock(routes_mutex_);
  return routes_;
}

bool Dispatcher::set_routes(RouteTable routes) {
  auto next = std::make_shared<Routes>();
  next->table = std::move(routes);
  const RoutesPtr former = this->routes();
  if (former->table == next->table) return false;
  next->version = former->version + 1;
  const std::uint32_t version = next->version;
  {
    const std::lock_guard lock(routes_mutex_);
    routes_ = std::move(next);
  }
  routes_version_ = version;
  return true;
}

LaneKey Dispatcher::key_now(const RouteTable& routes, const LaneKey& from, const Job& job,
                            std::uint32_t recipient) {
  const Envelope& envelope = job.message->envelope;
  LaneKey key = key_by(routes, envelope, envelope.recipients[recipient]);
  if (job.way == Way::rerouted) return rerouted_by(routes, std::move(key), from.next_hop);
  const std::string* recorded = job.way == Way::recorded ? job.message->rerouted(recipient) : nullptr;
  return recorded == nullptr ? key : rerouted_by(routes, std::move(key), *recorded);
}

bool Dispatcher::misplaced(const LaneKey& from, const Job& job) const {
  if (job.routed == routes_version_) return false;
  if (from.by_operator || !from.gateway_rule.empty() || !from.returns_to.empty()) return false;
  const RoutesPtr now = routes();
  return std::any_of(job.recipients.begin(), job.recipients.end(), [&](std::uint32_t recipient) {
    return key_now(now->table, from, job, recipient) != from;
  });
}

void Dispatcher::place_anew(const LaneKey& from, JobPtr job) {
  const RoutesPtr now = routes();
  std::map<LaneKey, std::vector<std::uint32_t>> lanes;
  for (const std::uint32_t recipient : job->recipients)
    lanes[key_now(now->table, from, *job, recipient)].push_back(recipient);
  for (auto& [key, recipients] : lanes) {
    auto part = std::make_unique<Job>(*job);
    part->recipients = std::move(recipients);
    part->routed = now->version;
    part->next_attempt = SystemTime{};
    move(key, std::move(part));
  }
}

LaneKey Dispatcher::key_for(const Envelope& envelope, const Recipient& recipient) const {
  return key_by(routes()->table, envelope, recipient);
}

LaneKey Dispatcher::key_by(const RouteTable& routes, const Envelope& envelope, const Recipient& recipient) {
  LaneKey key;
  const std::string domain = text::lower(domain_of(recipient.address));
  const RouteTable::Target* target = routes.find(envelope.reverse_path, domain);
  // With a smart host the policy domain is the smart host's, taken from the relay by whoever routes (S25);
  // the lane is still the recipient's domain's, so that partner rules see it.
  key.recipient_domain = domain;
  key.next_hop = target == nullptr ? domain : target->next_hop;
  if (target != nullptr) key.route = target->route;
  key.message_class =
      envelope.message_class == MessageClass::report ? MessageClass::report : MessageClass::normal;
  key.requiretls = envelope.flags.requiretls;
  key.tls_required_no = envelope.flags.tls_required_no;
  key.tls_need = envelope.flags.tls_need;
  key.requiretls_bounce = key.requiretls && envelope.reverse_path.empty();
  return key;
}

LaneKey Dispatcher::rerouted(LaneKey key, const std::string& next_hop) const {
  return rerouted_by(routes()->table, std::move(key), next_hop);
}

LaneKey Dispatcher::rerouted_by(const RouteTable& routes, LaneKey key, const std::string& next_hop) {
  const RouteTable::Target* target = routes.to(next_hop);
  key.next_hop = next_hop;
  key.route = target == nullptr ? "" : target->route;
  key.by_operator = target == nullptr;
  key.gateway_rule.clear();
  return key;
}

namespace {

// How long its sender wants it to wait still: until that is sure, while the date is in doubt, and no longer than it has
// ever been, whatever the clock says (T-50).
std::chrono::microseconds ahead_of(const Envelope& envelope, const Believed& at) {
  const std::chrono::microseconds none(0);
  if (envelope.not_before == SystemTime{}) return none;
  const std::chrono::microseconds longest = std::max(none, envelope.not_before - envelope.arrival);
  return std::clamp(envelope.not_before - at.earliest, none, longest);
}

}  // namespace

void Dispatcher::place(const spool::StoredMessagePtr& message, SystemTime due, bool fresh,
                       const Believed& at) {
  std::map<LaneKey, JobPtr> jobs;
  const RoutesPtr by = routes();
  const event::Loop& loop = shards_.front()->loop();
  const SystemTime now = shards_.front()->now();
  const Envelope& envelope = message->envelope;
  const std::chrono::microseconds ahead = ahead_of(envelope, at);
  if (ahead.count() > 0) message->body->drop_fresh();  // what waits lies in the journal, not in memory (T-28)
  for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    const spool::RecipientProgress& progress = message->progress[i];
    if (spool::is_final(progress.state)) continue;
    LaneKey key = key_by(by->table, envelope, envelope.recipients[i]);
    if (const std::string* next_hop = message->rerouted(i))
      key = rerouted_by(by->table, std::move(key), *next_hop);
    JobPtr& job = jobs[std::move(key)];
    if (!job) {
      job = std::make_unique<Job>();
      job->message = message;
      job->routed = by->version;
      job->next_attempt = due;
      if (ahead.count() > 0) job->not_before = now + ahead;
      job->since = loop.steady();
      if (ahead.count() > 0)
        job->age_then = -ahead;
      else if (!fresh)
        job->age_then = std::max(std::chrono::microseconds(0), at.now - begins(envelope));
      job->held = message->held;
      job->reason = message->held ? "held: " + message->hold_reason : message->last_reply;
      job->last_answer = message->last_answer;
    }
    job->recipients.push_back(i);
    // store() counts the first attempt as begun, because it is about to be: take() will count it.
    job->attempts = std::max<std::uint32_t>(job->attempts, fresh ? 0U : progress.attempts);
    job->delay_notice_sent = job->delay_notice_sent || progress.delay_notice_sent;
    if (progress.refused_since != SystemTime{}) {  // a restart does not begin a partner's grace anew
      const SystemTime since = now - std::max(std::chrono::microseconds(0), at.now - progress.refused_since);
      job->policy_failing_since =
          job->policy_failing_since == SystemTime{} ? since : std::min(job->policy_failing_since, since);
    }
    if (progress.state == spool::RecipientState::held) {
      job->held = true;
      if (!message->held) job->reason = "held: " + message->last_reply;
    }
  }
  for (auto& [key, job] : jobs) move(key, std::move(job));
}

void Dispatcher::move(const LaneKey& to, JobPtr job) {
  Shard& shard = shard_for(to);
  if (shard.on_own_thread()) {
    shard.add(to, std::move(job));
  } else {
    shard.loop().post(
        [&shard, to, box = std::make_shared<JobPtr>(std::move(job))] { shard.add(to, std::move(*box)); });
  }
}

JobOwner::Onward Dispatcher::into(const LaneKey& to) {
  return [this, to](JobPtr job) { move(to, std::move(job)); };
}

void Dispatcher::accepted(const spool::StoredMessagePtr& message) {
  if (aside_) {
    const std::lock_guard lock(mutex_);
    if (aside_) {
      kept_aside_.push_back(message);
      return;
    }
  }
  place(message, SystemTime{}, true, shards_.front()->loop().believed());
}

void Dispatcher::later(const spool::StoredMessagePtr& message, SystemTime due) {
  place(message, due, false, shards_.front()->loop().believed());
}

void Dispatcher::keep_aside() { aside_ = true; }

void Dispatcher::let_go() {
  std::vector<spool::StoredMessagePtr> kept;
  {
    const std::lock_guard lock(mutex_);
    aside_ = false;
    kept.swap(kept_aside_);
  }
  for (const auto& message : kept) place(message, SystemTime{}, true, shards_.front()->loop().believed());
}

void Dispatcher::recovered(const std::vector<spool::StoredMessagePtr>& messages) {
  if (messages.empty()) return;
  const SystemTime now = shards_.front()->now();
  const Believed at = shards_.front()->loop().believed();
  // How long it still waits. What was deferred while the clock stood elsewhere waits no longer than anything can.
  const auto wait_of = [&](const spool::StoredMessage& message) {
    std::chrono::microseconds wait = std::chrono::microseconds::max();
    for (const auto& progress : message.progress)
      if (progress.state == spool::RecipientState::pending)
        wait = std::min(wait, std::max(std::chrono::microseconds(0), progress.next_attempt - at.now));
    return std::max(std::min(wait, schedule_.longest_gap()), ahead_of(message.envelope, at));
  };
  const auto overdue = static_cast<std::size_t>(std::count_if(
      messages.begin(), messages.end(), [&](const auto& message) { return wait_of(*message).count() == 0; }));
  const auto random = [] { return static_cast<std::uint32_t>(random_below(1ULL << 32)); };
  for (const auto& message : messages) {
    std::chrono::microseconds wait = wait_of(*message);
    if (wait.count() == 0) wait = schedule_.restart_delay(overdue, random());
    place(message, now + wait, false, at);
  }
}

std::uint32_t interruptions(const spool::StoredMessage& message) noexcept {
  std::uint32_t most = 0;
  for (const auto& progress : message.progress) most = std::max<std::uint32_t>(most, progress.interrupted);
  return most;
}

}  // namespace sealpost::queue
