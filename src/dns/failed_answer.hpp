// SPDX-License-Identifier: Apache-2.0
//
// An answer that says only why there is none.
#pragma once

#include "dns/resolver.hpp"

namespace sealpost::dns {

inline AnswerPtr failed_answer(std::string why) {
  auto answer = std::make_shared<Answer>();
  answer->why = std::move(why);
  return answer;
}

}  // namespace sealpost::dns
