// SPDX-License-Identifier: Apache-2.0
//
// What the relay answers about the ledger that it keeps: the trail of a message, and what is erased from it.
#include <algorithm>
#include <memory>

#include "app/relay.hpp"
#include "base/log.hpp"
#include "event/blocking_pool.hpp"
#include "ledger/questions.hpp"
#include "ledger/words.hpp"

namespace sealpost::app {
namespace {

constexpr std::size_t most_rows = 1000;

// The rows about it, the newest of them when there are more: {"rows": [...], "total": n}. Blocking.
Expected<admin::Json> trail_in(const std::string& path, const MessageId& id) {
  auto reader = ledger::Reader::open(path);
  if (!reader) return reader.error();
  auto rows = ledger::Questions(*reader).trail(id);
  if (!rows) return rows.error();
  admin::Json answer{{"rows", admin::Json::array()}, {"total", rows->size()}};
  const std::size_t first = rows->size() - std::min(rows->size(), most_rows);
  for (std::size_t i = first; i < rows->size(); ++i) {
    admin::Json row = ledger::described((*rows)[i]);
    row["words"] = ledger::in_words((*rows)[i]);
    answer["rows"].push_back(std::move(row));
  }
  return answer;
}

}  // namespace

event::Task<admin::Answer> Relay::ledger_trail(admin::Json arguments) {
  if (!ledger_) co_return admin::Answer(503, "no ledger is kept", "[ledger] enabled = false");
  const auto id = MessageId::parse(arguments.value("id", std::string()));
  if (!id) co_return admin::Answer(400, "no queue id was given");
  std::function<Expected<admin::Json>()> work = [path = config_.data_dir + "/ledger.db", wanted = *id] {
    return trail_in(path, wanted);
  };
  auto trail = co_await event::run_blocking<admin::Json>(*pool_, main_, std::move(work));
  if (!trail) co_return admin::Answer(503, trail.error().detail);
  co_return admin::Answer(std::move(*trail));
}

// Waits for the disk, so in the pool.
event::Task<admin::Answer> Relay::erase_from_ledger(admin::Json arguments) {
  if (!ledger_) co_return admin::Answer(503, "no ledger is kept", "[ledger] enabled = false");
  const std::string before = arguments.value("before", std::string());
  const std::string address = arguments.value("address", std::string());
  if (before.empty() == address.empty())
    co_return admin::Answer(400, "either an address or a date is wanted");
  std::function<Expected<ledger::Erased>()> work = [this, before, address] {
    return before.empty() ? ledger_->erase_address(address) : ledger_->erase_before(before);
  };
  auto erased = co_await event::run_blocking<ledger::Erased>(*pool_, main_, std::move(work));
  if (!erased) co_return admin::Answer(503, erased.error().detail);
  log::warning("ledger_erased", {{"days", erased->days}, {"rows", erased->rows}});
  admin::Json body;
  body["days"] = erased->days;
  body["rows"] = erased->rows;
  co_return admin::Answer(std::move(body));
}

}  // namespace sealpost::app
