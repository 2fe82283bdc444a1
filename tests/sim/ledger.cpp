// SPDX-License-Identifier: Apache-2.0
#include "ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/log.hpp"

namespace sealpost::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view token_field = "X-Token: ";
// An outcome is in the next group commit; a crash so soon after it may come first (D-13).
constexpr auto outcome_window = 5s;
constexpr std::size_t most_problems = 20;
// What may have been taken is offered again a quarter of an hour later at the earliest (D-15).
constexpr auto least_back_off = 10min;
// A message lives two days; steps of an hour that are believed may take from that.
constexpr auto least_lifetime = 36h;

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

// The message as the client sent it, without what the relay put on top.
std::string_view original_part(std::string_view text) {
  const std::size_t at = text.find(token_field);
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

std::string message_id_of(std::string_view text) {
  constexpr std::string_view field = "Message-ID: ";
  const std::size_t at = text.find(field);
  if (at == std::string_view::npos) return {};
  const std::string_view value = text.substr(at + field.size());
  return std::string(value.substr(0, value.find('\r')));
}

}  // namespace

void Counts::add(const Counts& other) {
  messages += other.messages, recipients += other.recipients, accepted += other.accepted;
  refused += other.refused, unknown += other.unknown, delivered += other.delivered;
  duplicates += other.duplicates, bounced += other.bounced, delay_notices += other.delay_notices;
  queued += other.queued, crashes += other.crashes, enforced_recipients += other.enforced_recipients;
}

std::string Ledger::clock(SteadyTime time) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time - begin_).count();
  return fmt::format("{}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

std::string Ledger::open(std::string sender, std::vector<std::string> recipients) {
  const std::string token = "t" + std::to_string(mails_.size() + 1) + "e";
  Mail& mail = mails_[token];
  mail.sender = std::move(sender);
  for (auto& recipient : recipients) mail.recipients[recipient];
  return token;
}

void Ledger::content(const std::string& token, std::string_view text) {
  mails_.at(token).hash = hash_of(original_part(text));
}

void Ledger::answered(const std::string& token, Answer answer, SteadyTime now, std::string said) {
  Mail& mail = mails_.at(token);
  mail.answer = answer;
  mail.said = std::move(said);
  mail.when = now;
}

void Ledger::recipient_refused(const std::string& token, const std::string& recipient) {
  mails_.at(token).recipients.at(recipient).refused = true;
}

std::string Ledger::token_of(std::string_view text) {
  const std::string_view rest = original_part(text);
  if (rest.empty()) return {};
  const std::string_view value = rest.substr(token_field.size());
  return std::string(value.substr(0, value.find('\r')));
}

std::vector<std::string> Ledger::failed_recipients(std::string_view report) {
  std::vector<std::string> recipients;
  constexpr std::string_view field = "Final-Recipient: rfc822;";
  for (std::size_t at = report.find(field); at != std::string_view::npos; at = report.find(field, at + 1)) {
    std::string_view rest = report.substr(at + field.size());
    const std::string_view block = rest.substr(0, rest.find("\r\n\r\n"));
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (block.find("Action: failed") != std::string_view::npos)
      recipients.emplace_back(rest.substr(0, rest.find_first_of("\r\n")));
  }
  return recipients;
}

std::size_t Ledger::note(SteadyTime now) {
  deliveries_.push_back(Delivery{now, now});
  return deliveries_.size() - 1;
}

std::size_t Ledger::took(const std::string& recipient, std::string_view text, SteadyTime now) {
  const std::size_t delivery = note(now);
  const std::string token = token_of(text);
  log::debug("sim_took", {{"at", clock(now)}, {"token", token}, {"rcpt", recipient}, {"delivery", delivery}});
  const auto mail = mails_.find(token);
  if (mail == mails_.end()) {
    violated("a message nobody sent was delivered to " + recipient);
  } else if (!mail->second.recipients.contains(recipient)) {
    violated(token + " was delivered to " + recipient + ", who is none of its recipients");
  } else {
    if (hash_of(original_part(text)) != mail->second.hash)
      violated(token + " was delivered to " + recipient + " with other content than was sent");
    mail->second.recipients[recipient].deliveries.push_back(delivery);
  }
  return delivery;
}

std::size_t Ledger::refused(const std::string& recipient, std::string_view text, SteadyTime now) {
  const std::size_t refusal = note(now);
  if (const auto mail = mails_.find(token_of(text)); mail != mails_.end())
    mail->second.recipients[recipient].refusals.push_back(refusal);
  return refusal;
}

std::size_t Ledger::notified(const std::string& sender, std::string_view text, SteadyTime now) {
  const std::size_t delivery = note(now);
  const std::string token = token_of(text);
  log::debug("sim_notified",
             {{"at", clock(now)}, {"token", token}, {"to", sender}, {"id", message_id_of(text)}});
  const auto mail = mails_.find(token);
  if (mail == mails_.end()) {
    violated("a notification about nothing known reached " + sender);
    return delivery;
  }
  if (mail->second.sender != sender)
    violated("a notification about " + token + " reached " + sender + " instead of its sender");
  const auto failed = failed_recipients(text);
  if (text.find("Status: 5.1.2") != text.npos || text.find("Status: 5.4.4") != text.npos)
    violated(token + " bounced as if its domain or its hosts did not exist (T-41)");
  if (failed.empty()) ++counts_.delay_notices;
  const bool expired = text.find("delivery time expired") != text.npos;
  if (expired && !failed.empty() && now - mail->second.when < least_lifetime)
    violated(token + " came back before its time, at " + clock(now) + " (D-19, T-50)");
  for (const std::string& recipient : failed) {
    const auto found = mail->second.recipients.find(recipient);
    if (found == mail->second.recipients.end())
      violated(token + " bounced for " + recipient + ", who is none of its recipients");
    else
      found->second.bounces[message_id_of(text)].push_back(delivery);
  }
  return delivery;
}

void Ledger::told(std::size_t delivery, SteadyTime now) { deliveries_[delivery].told = now; }

void Ledger::acknowledged(std::size_t delivery) {
  log::debug("sim_acknowledged", {{"delivery", delivery}});
  deliveries_[delivery].acknowledged = true;
}

void Ledger::violated(std::string what) {
  if (problems_.size() < most_problems) problems_.push_back(std::move(what));
}

void Ledger::crashed(SteadyTime now) {
  log::debug("sim_crashed", {{"at", clock(now)}});
  crashes_.push_back(now);
  ++counts_.crashes;
}

void Ledger::disk_trouble(SteadyTime from) {
  log::debug("sim_disk_trouble", {{"at", clock(from)}});
  troubles_.emplace_back(from, SteadyTime::max());
}

void Ledger::trouble_over(SteadyTime now) {
  log::debug("sim_trouble_over", {{"at", clock(now)}});
  for (auto& [from, to] : troubles_) to = std::min(to, now);
}

// Can a crash have come before what happened at `what` was on the disk? Soon after it, or after a time in which
// nothing could be recorded.
bool Ledger::lost_before(SteadyTime what, SteadyTime crash) const {
  if (crash < what) return false;
  if (crash - what <= outcome_window) return true;
  return std::any_of(troubles_.begin(), troubles_.end(), [&](const auto& trouble) {
    return trouble.first <= what + outcome_window && crash <= trouble.second + outcome_window;
  });
}

// May the relay not have known of this delivery when it acted again?
bool Ledger::excused(const Delivery& delivery, SteadyTime again) const {
  if (!delivery.acknowledged) return true;
  return std::any_of(crashes_.begin(), crashes_.end(),
                     [&](SteadyTime crash) { return crash <= again && lost_before(delivery.told, crash); });
}

// A write that failed may have reached the disk. That it does not count is recorded as soon as the disk lets it
// (D-06, D-07); a crash before that brings the message back, which is a duplicate and no loss.
bool Ledger::withdrawal_lost(SteadyTime refused) const {
  return std::any_of(crashes_.begin(), crashes_.end(),
                     [&](SteadyTime crash) { return lost_before(refused, crash); });
}

bool Ledger::crashed_between(SteadyTime from, SteadyTime to) const {
  return std::any_of(crashes_.begin(), crashes_.end(),
                     [&](SteadyTime crash) { return from <= crash && crash <= to; });
}

std::string Ledger::repeated_without_need(const Deliveries& deliveries) const {
  for (std::size_t i = 0; i + 1 < deliveries.size(); ++i) {
    const SteadyTime again = deliveries_[deliveries[i + 1]].when;
    if (!excused(deliveries_[deliveries[i]], again))
      return "at " + clock(deliveries_[deliveries[i]].when) + " and " + clock(again);
  }
  return {};
}

void Ledger::check_recipient(const std::string& what, const Recipient& recipient) {
  if (const auto when = repeated_without_need(recipient.deliveries); !when.empty())
    violated(what + " was delivered twice without need (D-13, D-16): " + when);
  for (std::size_t i = 0; i + 1 < recipient.deliveries.size(); ++i) {
    const SteadyTime first = deliveries_[recipient.deliveries[i]].when;
    const SteadyTime again = deliveries_[recipient.deliveries[i + 1]].when;
    if (again - first < least_back_off && !crashed_between(first, again))
      violated(what + " was offered again at once although it may have been taken (D-15): at " +
               clock(first) + " and " + clock(again));
  }
  // A failure that waits to be told of with others is tried once more after a crash, and may then be taken (ADR 23).
  for (const std::size_t refusal : recipient.refusals)
    for (const std::size_t delivery : recipient.deliveries)
      if (const SteadyTime when = deliveries_[delivery].when;
          when > deliveries_[refusal].when && deliveries_[refusal].acknowledged &&
          !crashed_between(deliveries_[refusal].when, when))
        violated(what + " was delivered at " + clock(when) + " after a host had refused it for good at " +
                 clock(deliveries_[refusal].when) + " (RFC 5321 §4.2.1)");
  if (recipient.bounces.size() > 1) violated(what + " bounced more than once (D-17)");
  for (const auto& [id, notices] : recipient.bounces) {
    if (const auto when = repeated_without_need(notices); !when.empty())
      violated(what + ": its notification was delivered twice without need (D-13): " + when);
    const SteadyTime bounced = deliveries_[notices.front()].when;
    for (const std::size_t number : recipient.deliveries) {
      const Delivery& delivery = deliveries_[number];
      if (delivery.when > bounced) violated(what + " was delivered after it had bounced (D-16)");
      if (delivery.when < bounced && !excused(delivery, bounced))
        violated(what + " bounced after it had been delivered (D-16)");
    }
  }
}

void Ledger::check_mail(const std::string& token, const Mail& mail,
                        const std::set<std::pair<std::string, std::string>>& queued) {
  for (const auto& [address, recipient] : mail.recipients) {
    const bool in_queue = queued.contains({token, address});
    const bool gone = recipient.deliveries.empty() && recipient.bounces.empty() && !in_queue;
    const std::string what = token + " to " + address;
    if (recipient.refused || mail.answer == Answer::refused || mail.answer == Answer::open) {
      if (!gone && !(mail.answer == Answer::refused && withdrawal_lost(mail.when)))
        violated(what + " was refused (" + mail.said + ") and kept all the same (D-06, T-35)");
      continue;
    }
    counts_.delivered += recipient.deliveries.empty() ? 0U : 1U;
    counts_.duplicates += recipient.deliveries.empty() ? 0U : recipient.deliveries.size() - 1;
    counts_.bounced += recipient.bounces.empty() ? 0U : 1U;
    counts_.queued += in_queue ? 1U : 0U;
    if (mail.answer == Answer::accepted && gone)
      violated(what + " got its 250 and is neither delivered, bounced nor queued (D-01)");
    check_recipient(what, recipient);
  }
}

std::vector<std::string> Ledger::check(const std::set<std::pair<std::string, std::string>>& queued) {
  for (const auto& [token, mail] : mails_) {
    ++counts_.messages;
    counts_.recipients += mail.recipients.size();
    counts_.accepted += mail.answer == Answer::accepted ? 1U : 0U;
    counts_.refused += mail.answer == Answer::refused ? 1U : 0U;
    counts_.unknown += mail.answer == Answer::unknown ? 1U : 0U;
    check_mail(token, mail, queued);
  }
  return problems_;
}

}  // namespace sealpost::sim
