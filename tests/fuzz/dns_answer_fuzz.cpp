// SPDX-License-Identifier: Apache-2.0
//
// DNS answers (RFC 1035 §4): what a resolver, or whoever speaks in its name, sends. The first octet chooses the type asked
// for, and whether the rest is a whole message or what follows a right header and question.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "dns/answer_parser.hpp"
#include "require.hpp"

namespace {

using namespace sealpost::dns;

constexpr std::array types = {RrType::a, RrType::cname, RrType::mx, RrType::txt, RrType::aaaa, RrType::tlsa};

// Header up to the counts and the question "b.test"; the counts of records are the input's.
std::vector<std::uint8_t> complete(RrType type, const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> message = {0x12, 0x34, 0x81, 0xA0, 0, 1};
  for (std::size_t i = 0; i < 3; ++i) {
    message.push_back(0);
    message.push_back(i < size ? data[i] % 16 : 0);
  }
  for (const char c : {'\1', 'b', '\4', 't', 'e', 's', 't', '\0', '\0'})
    message.push_back(static_cast<std::uint8_t>(c));
  message.push_back(static_cast<std::uint8_t>(type));
  message.push_back(0);
  message.push_back(1);
  if (size > 3) message.insert(message.end(), data + 3, data + size);
  return message;
}

bool is_name(const std::string& name) {
  return name.size() <= 4 * 255 && std::ranges::none_of(name, [](char c) { return c <= ' ' || c >= 0x7F; });
}

std::size_t records(const Answer& answer, RrType type) {
  switch (type) {
    case RrType::a:
    case RrType::aaaa: return answer.addresses.size();
    case RrType::cname: return answer.aliases.size();
    case RrType::mx: return answer.mx.size();
    case RrType::txt: return answer.texts.size();
    case RrType::soa: return answer.status == Status::found ? 1 : 0;
    case RrType::tlsa: return answer.tlsa.size();
  }
  return 0;
}

void check(const Question& question, std::span<const std::uint8_t> message) {
  const auto parsed = parse_answer(message, question);
  if (!parsed || parsed->truncated) return;
  const Answer& answer = parsed->answer;
  require(answer.dnssec == Dnssec::insecure);
  require(answer.aliases.size() <= alias_cap);
  require((answer.status == Status::found) == (records(answer, question.type) > 0) ||
          question.type == RrType::cname);
  require(answer.ttl <= ttl_cap);
  if (answer.status == Status::failed) {
    require(!answer.why.empty());
    return;
  }
  require(answer.status == Status::found || answer.ttl <= negative_ttl_cap);
  require(is_name(answer.canonical));
  std::string name = question.name;
  for (const Alias& alias : answer.aliases) {
    require(alias.owner == name && is_name(alias.target));
    name = alias.target;
  }
  require(question.type == RrType::cname || name == answer.canonical);
  for (const Mx& mx : answer.mx) require(is_name(mx.exchange));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Question question("b.test", types[data[0] % types.size()]);
  const bool whole = data[0] >= 128;
  if (whole) {
    check(question, std::span(data + 1, size - 1));
  } else {
    const auto message = complete(question.type, data + 1, size - 1);
    check(question, message);
  }
  return 0;
}
