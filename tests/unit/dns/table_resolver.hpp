// SPDX-License-Identifier: Apache-2.0
//
// A Resolver that answers from a table, for tests: secure, insecure and failing names, with an optional
// delay. What is not in the table does not exist (NXDOMAIN). Counts what it is asked.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dns/failed_answer.hpp"
#include "dns/name.hpp"
#include "dns/resolver.hpp"
#include "event/wait.hpp"

namespace sealpost::dns::test {

class TableResolver final : public Resolver {
 public:
  explicit TableResolver(event::Loop& loop) noexcept : loop_(loop) {}

  // The answer under construction, secure unless said otherwise, good for 300 s.
  Answer& put(const std::string& name, RrType type, Status status = Status::found) {
    Answer& answer = table_[{name, type}];
    answer = Answer();
    answer.status = status;
    answer.dnssec = Dnssec::secure;
    answer.rcode = status == Status::nxdomain ? 3 : status == Status::failed ? 2 : 0;
    answer.ttl = 300;
    answer.canonical = name;
    if (status == Status::failed) answer.why = "SERVFAIL";
    return answer;
  }
  Answer& mx(const std::string& name, std::vector<std::pair<unsigned, std::string>> hosts) {
    Answer& answer = put(name, RrType::mx);
    for (auto& [preference, exchange] : hosts) {
      Mx mx;
      mx.preference = static_cast<std::uint16_t>(preference);
      mx.exchange = std::move(exchange);
      answer.mx.push_back(std::move(mx));
    }
    return answer;
  }
  Answer& address(const std::string& name, std::vector<std::string> addresses) {
    put(name, RrType::a, Status::no_data);
    put(name, RrType::aaaa, Status::no_data);
    Answer* last = nullptr;
    for (const auto& text : addresses) {
      const IpAddress parsed = IpAddress::parse(text).value();
      Answer& answer = table_[{name, parsed.is_v4() ? RrType::a : RrType::aaaa}];
      answer.status = Status::found;
      answer.addresses.push_back(parsed);
      last = &answer;
    }
    return *last;
  }
  Answer& text(const std::string& name, std::vector<std::string> texts) {
    Answer& answer = put(name, RrType::txt);
    answer.texts = std::move(texts);
    return answer;
  }
  Answer& alias(const std::string& name, RrType type, const std::string& target) {
    Answer& answer = put(name, type);
    answer.aliases.push_back(Alias{name, target});
    answer.canonical = target;
    return answer;
  }
  void remove(const std::string& name, RrType type) { table_.erase({name, type}); }
  void delay(Duration time) noexcept { delay_ = time; }

  event::Task<AnswerPtr> query(std::string name, RrType type) override {
    const std::string normal = normal_name(name).value_or(name);
    asked.emplace_back(normal, type);
    if (delay_ > Duration::zero()) co_await event::sleep_for(loop_, delay_);
    const auto found = table_.find({normal, type});
    auto answer = std::make_shared<Answer>();
    if (found != table_.end()) {
      *answer = found->second;
    } else {
      answer->status = Status::nxdomain;
      answer->rcode = 3;
      answer->ttl = 300;
      answer->canonical = normal;
    }
    answer->expires = loop_.now() + std::chrono::seconds(answer->ttl);
    co_return answer;
  }
  DaneMode dane_mode() const noexcept override { return mode; }

  std::size_t count(const std::string& name, RrType type) const {
    std::size_t times = 0;
    for (const auto& entry : asked) times += entry == std::pair(name, type) ? 1u : 0u;
    return times;
  }
  std::vector<std::pair<std::string, RrType>> asked;
  DaneMode mode = DaneMode::on;

 private:
  event::Loop& loop_;
  Duration delay_{};
  std::map<std::pair<std::string, RrType>, Answer> table_;
};

}  // namespace sealpost::dns::test
