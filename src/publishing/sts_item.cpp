// SPDX-License-Identifier: Apache-2.0
#include "publishing/sts_item.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sealpost/mta_sts.hpp"

namespace sealpost::publishing {
namespace {

using namespace std::chrono_literals;
constexpr auto first_age = std::chrono::seconds(7 * 24h);
constexpr auto short_age = std::chrono::seconds(24h);
constexpr std::size_t most_lines = 100;

// "20260131T120000": letters and digits only, another at each moment.
std::string new_id(SystemTime now) {
  std::string id;
  for (const char c : to_rfc3339(now).substr(0, 19))
    if (c != '-' && c != ':') id += c;
  return id;
}

bool covered(const MtaStsPolicy& policy, const std::string& host) {
  return std::any_of(policy.mx.begin(), policy.mx.end(),
                     [&](const std::string& pattern) { return mx_matches(pattern, host); });
}

// What was published goes on, with the hosts that it lacks; a first policy only observes.
std::vector<std::string> policy_lines(const MtaStsPolicy* published, const std::vector<std::string>& hosts) {
  const bool known = published != nullptr && published->mode != StsMode::none;
  std::vector<std::string> lines{"version: STSv1",
                                 "mode: " + std::string(known ? name_of(published->mode) : "testing")};
  if (known)
    for (const std::string& pattern : published->mx) lines.push_back("mx: " + text::printable(pattern, 260));
  for (const std::string& host : hosts)
    if (!known || !covered(*published, host)) lines.push_back("mx: " + text::printable(host, 260));
  lines.push_back("max_age: " + std::to_string(known ? std::max(published->max_age, short_age).count()
                                                     : first_age.count()));
  return lines;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + text::printable(name, 260);
  return all;
}

void judge_failure(const sts::FetchFailure& failure, Item& item) {
  item.why = text::printable(failure.detail, 300);
  const bool gone = failure.reason == "http-status-404" || failure.reason == "http-status-410" ||
                    failure.reason == "no-address";
  if (failure.ours || failure.reason == "dns-failure" || failure.reason == "address-not-public") return;
  if (gone) {
    item.state = State::absent;
    item.remedy = "serve these lines as text/plain at this URL, with a certificate that names the host";
  } else if (failure.type == "sts-policy-fetch-error" && !failure.reason.starts_with("http-status-")) {
    item.remedy =
        "senders that fetch the policy need an HTTPS server there, on port 443; look at it from outside";
  } else {
    item.state = State::differs;
    item.remedy = failure.type == "sts-webpki-invalid"
                      ? "give the policy host a certificate that is trusted and names it"
                      : "serve these lines as text/plain at this URL, without a redirect";
  }
}

void judge_hosts(const MtaStsPolicy& policy, const std::vector<std::string>& hosts, Item& item) {
  std::vector<std::string> lacking, idle;
  for (const std::string& host : hosts)
    if (!covered(policy, host)) lacking.push_back(host);
  for (const std::string& pattern : policy.mx)
    if (std::none_of(hosts.begin(), hosts.end(),
                     [&](const std::string& host) { return mx_matches(pattern, host); }))
      idle.push_back(pattern);
  if (!lacking.empty()) {
    item.state = State::differs;
    item.why = "it does not name " + list_of(lacking) +
               (policy.mode == StsMode::enforce ? ": senders that obey it do not deliver there"
                                                : "; once enforced, senders would not deliver there");
    item.remedy = "serve these lines, then give the record a new id";
  } else if (!idle.empty()) {
    item.why = "it names " + list_of(idle) + ", which no MX record does";
  }
}

}  // namespace

Item judge_sts_record(const dns::Answer& answer, const std::string& domain, SystemTime now) {
  Item item("MTA-STS record", "_mta-sts." + domain, "TXT");
  item.publish = {"v=STSv1; id=" + new_id(now)};
  for (const std::string& record : answer.texts) item.found.push_back(text::printable(record));
  if (answer.status == dns::Status::failed) {
    item.why = "the lookup failed: " + answer.why;
    return item;
  }
  const StsRecordSet records = parse_sts_records(answer.texts);
  switch (records.kind) {
    case StsRecordSet::Kind::none:
      item.state = State::absent;
      item.why = "without it nobody looks for a policy, and mail to the domain can be intercepted";
      item.remedy = "serve the policy first, then publish this record";
      break;
    case StsRecordSet::Kind::invalid:
      item.state = State::differs;
      item.why = "senders take it for none: " + text::printable(records.why);
      item.remedy = "publish one record in this form";
      break;
    case StsRecordSet::Kind::valid:
      item.state = State::ok;
      item.publish = {"v=STSv1; id=" + records.record.id};
      break;
  }
  return item;
}

Item judge_sts_policy(const Expected<std::string, sts::FetchFailure>& fetched, const std::string& domain,
                      const StsHosts& mx) {
  Item item("MTA-STS policy", "https://mta-sts." + domain + "/.well-known/mta-sts.txt", "HTTPS");
  item.publish = policy_lines(nullptr, mx.hosts);
  if (!mx.known) item.publish.clear();
  if (!fetched) {
    judge_failure(fetched.error(), item);
    return item;
  }
  const auto policy = parse_sts_policy(*fetched);
  for (const std::string_view line : text::split(*fetched, '\n')) {
    if (item.found.size() == most_lines) break;
    if (const auto words = text::trim(line, " \t\r"); !words.empty())
      item.found.push_back(text::printable(words, 300));
  }
  if (!policy) {
    item.state = State::differs;
    item.why = "senders take it for none: " + text::printable(policy.error().detail);
    item.remedy = "serve these lines, then give the record a new id";
    return item;
  }
  item.state = State::ok;
  if (mx.known) item.publish = policy_lines(&*policy, mx.hosts);
  if (policy->mode == StsMode::none) {
    item.state = State::differs;
    item.why = "its mode is none: it asks nothing of senders";
    item.remedy =
        "serve these lines, then give the record a new id; change to enforce when reports show no failure";
    return item;
  }
  if (!mx.known)
    item.why = "whether it names all MX hosts is not known";
  else
    judge_hosts(*policy, mx.hosts, item);
  if (item.state == State::ok && policy->mode == StsMode::testing)
    item.why += (item.why.empty() ? "" : "; ") + std::string("it only observes (mode: testing)");
  if (item.state == State::ok && policy->max_age < short_age) {
    item.why += (item.why.empty() ? "" : "; ") + std::string("senders forget it within a day (max_age)");
    item.remedy = "raise max_age to a week, and to months once it is enforced";
  }
  return item;
}

}  // namespace sealpost::publishing
