// SPDX-License-Identifier: Apache-2.0
#include "dns/resolver_proxy.hpp"

#include "dns/failed_answer.hpp"
#include "dns/name.hpp"

namespace sealpost::dns {

event::Task<AnswerPtr> ResolverProxy::query(std::string name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) co_return failed_answer("not a domain name");
  Question question(std::move(*normal), type);
  auto hit = cache_.find(question, home_.now(), shared_.trusted_since());
  if (hit) co_return hit;
  auto found = co_await ask(std::move(question), false);
  co_return found;
}

event::Task<AnswerPtr> ResolverProxy::query_fresh(std::string name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) co_return failed_answer("not a domain name");
  Question question(std::move(*normal), type);
  auto found = co_await ask(std::move(question), true);
  co_return found;
}

void ResolverProxy::prefetch(std::string_view name, RrType type) {
  auto normal = normal_name(name);
  if (!normal) return;
  Question question(std::move(*normal), type);
  if (cache_.find(question, home_.now(), shared_.trusted_since())) return;
  shared_.loop().post(
      [&shared = shared_, question = std::move(question)] { shared.prefetch(question.name, question.type); });
}

event::Task<AnswerPtr> ResolverProxy::ask(Question question, bool fresh) {
  event::OneShot<AnswerPtr> shot(home_);
  shared_.loop().post(
      [&shared = shared_, question, fresh, reply = shot.sender()] { shared.serve(question, fresh, reply); });
  auto found = co_await shot;
  cache_.put(question, found, home_.now());
  co_return found;
}

}  // namespace sealpost::dns
