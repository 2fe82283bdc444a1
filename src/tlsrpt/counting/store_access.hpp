// SPDX-License-Identifier: Apache-2.0
//
// Questions to tlsrpt.db from a loop. The database has one thread (db_recorder.hpp); tests answer in place.
#pragma once

#include <functional>

#include "event/wait.hpp"
#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

class StoreAccess {
 public:
  virtual ~StoreAccess() = default;

  // Runs `query` where the database lives, after everything counted before has been written; its result comes
  // back on `home`.
  template <class T>
  event::Task<Expected<T>> ask(event::Loop& home, std::function<Expected<T>(Store&)> query) {
    event::OneShot<Expected<T>> answer(home);
    auto sender = answer.sender();
    post([sender, query = std::move(query)](Store& store) { sender.send(query(store)); });
    co_return co_await answer;
  }

  // For queries that only do something.
  event::Task<Expected<void>> tell(event::Loop& home, std::function<Expected<void>(Store&)> work) {
    return ask<void>(home, std::move(work));
  }

 protected:
  virtual void post(std::function<void(Store&)> work) = 0;  // any thread
};

}  // namespace sealpost::tlsrpt
