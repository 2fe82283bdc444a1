// SPDX-License-Identifier: Apache-2.0
#include "admin/domain_command.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "dns/name.hpp"
#include "mail/address.hpp"

namespace sealpost::admin {
namespace {

constexpr int most_questions = 2;
constexpr std::size_t most_addresses = 16;

Json json_of(const publishing::Item& item) {
  return {{"what", item.what},         {"name", item.name},
          {"type", item.type},         {"state", publishing::name_of(item.state)},
          {"optional", item.optional}, {"publish", publishing::zone_lines(item)},
          {"found", item.found},       {"why", item.why},
          {"remedy", item.remedy}};
}

// What is wrong weighs more than what could not be asked.
int worse_of(int one, int other) { return one == 1 || other == 1 ? 1 : std::max(one, other); }

Expected<std::vector<IpAddress>> addresses_in(const Json& arguments) {
  std::vector<IpAddress> addresses;
  const Json given = arguments.value("addresses", Json::array());
  if (!given.is_array() || given.size() > most_addresses)
    return Error(Errc::invalid, "addresses is not a list of at most " + std::to_string(most_addresses));
  for (const Json& each : given) {
    const auto address = each.is_string() ? IpAddress::parse(each.get<std::string>()) : std::nullopt;
    if (!address) return Error(Errc::invalid, text::printable(each.dump(), 80) + " is no IP address");
    addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

Json to_json(const std::string& domain, const Items& items) {
  Json records = Json::array();
  for (const publishing::Item& item : items) records.push_back(json_of(item));
  Json answer;
  answer["domain"] = domain;
  answer["records"] = std::move(records);
  answer["exit_code"] = publishing::exit_code_of(items);
  return answer;
}

namespace {

event::Task<void> survey_into(Json& into, const DomainAccess& access, std::string domain,
                              std::vector<IpAddress> senders) {
  const Items items = co_await access.survey(domain, std::move(senders));
  into = admin::to_json(domain, items);
}

}  // namespace

event::Task<Answer> check_domains(DomainAccess access, Json arguments) {
  const std::string given = arguments.value("domain", std::string());
  std::vector<std::string> domains = access.own();
  if (!given.empty()) {
    const auto domain = to_a_labels(after_at(given));
    if (!domain || !dns::is_mail_domain(*domain))
      co_return Answer(400, "'" + text::printable(given, 80) + "' is no domain",
                       "for example: sealpost dns check example.net");
    domains = {*domain};
  }
  const auto senders = addresses_in(arguments);
  if (!senders) co_return Answer(400, senders.error().detail, "for example: --address 192.0.2.1");
  std::vector<Json> surveyed(domains.size());
  {
    event::TaskScope scope(*access.loop);  // beside each other: whoever asks does not wait for the sum
    for (std::size_t i = 0; i < domains.size(); ++i)
      scope.spawn(survey_into(surveyed[i], access, domains[i], *senders));
    co_await scope.join();
  }
  Json all = Json::array();
  int code = 0;
  for (Json& one : surveyed) {
    code = worse_of(code, one.at("exit_code").get<int>());
    all.push_back(std::move(one));
  }
  Json answer;
  answer["domains"] = std::move(all);
  answer["exit_code"] = code;
  co_return Answer(std::move(answer));
}

namespace {

event::Task<Answer> check_in_turn(std::shared_ptr<int> under_way, DomainAccess access, Json arguments) {
  if (*under_way >= most_questions)
    co_return Answer(503, "two checks are under way already", "try again when they are done");
  const std::shared_ptr<int> place(&++*under_way, [under_way](int* count) { --*count; });
  Answer answer = co_await check_domains(std::move(access), std::move(arguments));
  co_return answer;
}

event::Task<Answer> list_own(std::vector<std::string> domains) {
  Json answer;
  answer["domains"] = std::move(domains);
  co_return Answer(std::move(answer));
}

}  // namespace

void serve_domain_command(ControlServer& server, DomainAccess access) {
  const auto under_way = std::make_shared<int>(0);
  server.handle("dns.own", [own = access.own](Json) { return list_own(own()); });
  server.handle("dns.check", [under_way, access = std::move(access)](Json arguments) {
    return check_in_turn(under_way, access, std::move(arguments));
  });
}

}  // namespace sealpost::admin
