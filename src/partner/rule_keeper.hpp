// SPDX-License-Identifier: Apache-2.0
//
// Lets rules into force: compares what files want with the record of what was in force, says aloud what changes, and
// keeps the new set and the history of the change before anything decides by it (ADR 15).
#pragma once

#include <optional>
#include <string>

#include "base/health.hpp"
#include "partner/rules_store.hpp"

namespace sealpost::app {

class RuleKeeper {
 public:
  enum class Moment : std::uint8_t { start, reload };

  // `health` outlives it.
  RuleKeeper(const std::string& data_dir, Health& health) : store_(data_dir), health_(health) {}

  // What may be put in force of `wanted`: nothing is written yet. When the record cannot be read, all mail is to wait
  // (delivery.hold_all): what was demanded is unknown.
  struct Admission {
    Guarded guarded;
    RulesStore::Found before;
  };
  Admission admit(Config wanted, SystemTime now) const;

  // Logs the news, keeps record and history, tells Health. An error: the record could not be written, and a reload must
  // leave everything as it was; a start goes on with what it admitted, since that demands no less than the record.
  Expected<void> commit(const Admission& admission, Moment moment, SystemTime now);

  // Tries again what a start could not write, and writes down what the dates of rules have changed; for once a minute. True: the
  // history says more than before.
  bool tend(SystemTime now);

  const RulesStore& store() const noexcept { return store_; }

 private:
  Expected<std::string> keep(const Admission& admission, const std::string& what, SystemTime now);
  Expected<bool> keep_dates(const RulesInForce& rules, const std::string& sha256, SystemTime now);
  void tell(const Admission& admission, SystemTime now);

  RulesStore store_;
  Health& health_;
  std::optional<RulesStore::Found>
      last_;                            // in force in this process, whatever becomes of the record meanwhile
  std::optional<Admission> unwritten_;  // of a start
  std::string last_told_;               // what the history said last, so that it is not said at every reload
  std::optional<SystemTime> looked_;    // up to when the dates of the rules in force are in the history
};

}  // namespace sealpost::app
