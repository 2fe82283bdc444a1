// SPDX-License-Identifier: Apache-2.0
//
// A webhooks.db made from a journal of the test's own.
#pragma once

#include "../ledger/samples.hpp"
#include "webhooks/follower.hpp"
#include "webhooks/store.hpp"

namespace sealpost::test {

using webhooks::Json;

inline webhooks::WebhookPtr webhook_of(const std::string& name,
                                       const std::function<void(webhooks::Webhook&)>& set = {}) {
  auto webhook = std::make_shared<webhooks::Webhook>();
  webhook->name = name;
  webhook->url = webhooks::parse_url("https://hooks.example.net/mail").value();
  webhook->secrets = std::make_shared<const webhooks::Secrets>(
      webhooks::parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").value());
  if (set) set(*webhook);
  return webhook;
}

// The file, and what reads the journal into it; both can be lost, as in a crash.
class Hooked {
 public:
  explicit Hooked(webhooks::Webhooks webhooks = {webhook_of("crm")}) : hooks(std::move(webhooks)) { open(); }

  void open() {
    follower.reset();
    store = std::make_shared<webhooks::Store>(
        path(), [this] { return begun; }, &health);
    REQUIRE(store->use(hooks));
    follower = std::make_unique<webhooks::WebhookFollower>(*store, [this] { ++news; });
  }
  std::string path() const { return directory_.path() + "/webhooks.db"; }

  // As they lie one behind the other in the journal.
  Expected<void> read(std::vector<spool::JournalEntry> entries) {
    for (spool::JournalEntry& entry : entries) {
      entry.blob.segment = 1;
      entry.blob.offset = cursor.position.offset;
      cursor.position.offset += 8;
    }
    return follower->apply(entries, cursor);
  }
  webhooks::Batch batch(std::size_t hook = 0) {
    auto found = store->next(*hooks[hook]);
    REQUIRE(found);
    return std::move(*found);
  }
  std::vector<std::string> kinds(std::size_t hook = 0) {
    std::vector<std::string> found;
    for (const std::string& event : batch(hook).events) found.push_back(Json::parse(event).at("kind"));
    return found;
  }

  webhooks::Webhooks hooks;
  SystemTime begun = noon - std::chrono::hours(1);
  Health health;
  spool::Cursor cursor{7, {1, 64}};
  int news = 0;
  std::shared_ptr<webhooks::Store> store;
  std::unique_ptr<webhooks::WebhookFollower> follower;

 private:
  TemporaryDirectory directory_;
};

}  // namespace sealpost::test
