// SPDX-License-Identifier: Apache-2.0
//
// Run a function on another loop and await its result on one's own. The function must not wait; `there` must
// run on until it has.
#pragma once

#include <type_traits>
#include <utility>

#include "event/wait.hpp"

namespace sealpost::event {

template <class F, class R = std::invoke_result_t<F&>>
Task<R> ask(Loop& home, Loop& there, F function) {
  OneShot<R> answer(home);
  auto sender = answer.sender();
  there.post([sender, function = std::move(function)]() mutable { sender.send(function()); });
  co_return co_await answer;
}

// The same for a coroutine: it runs in `scope`, on that scope's loop. `make` builds the task there.
template <class T>
Task<void> answer_with(Task<T> task, typename OneShot<T>::Sender sender) {
  sender.send(co_await std::move(task));
}
template <class Make, class T = typename std::invoke_result_t<Make&>::value_type>
Task<T> ask_task(Loop& home, TaskScope& scope, Make make) {
  OneShot<T> answer(home);
  auto sender = answer.sender();
  scope.loop().post(
      [sender, &scope, make = std::move(make)]() mutable { scope.spawn(answer_with<T>(make(), sender)); });
  co_return co_await answer;
}

}  // namespace sealpost::event
