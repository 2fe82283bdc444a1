// SPDX-License-Identifier: Apache-2.0
#include "web/page.hpp"

namespace sealpost::web {

Reply see(const Url::Written& there) {
  Reply reply;
  reply.go = there.text();
  return reply;
}

Reply refusal(const admin::Answer& answer, std::string title) {
  Reply reply;
  reply.status = answer.status;
  reply.title = std::move(title);
  {
    const auto card = reply.body.in("div", {{"class", "card bad"}});
    reply.body.put("p", answer.body.value("error", std::string("the relay did not say why")));
    if (const std::string remedy = answer.body.value("remedy", std::string()); !remedy.empty())
      reply.body.put("p", {{"class", "remedy"}}, remedy);
  }
  return reply;
}

void Call::put_token(Html& html) const {
  html.alone("input", {{"type", "hidden"}, {"name", "token"}, {"value", session_.token}});
}

}  // namespace sealpost::web
