// SPDX-License-Identifier: Apache-2.0
#include "base/amounts.hpp"

#include <chrono>

#include "base/words.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::text {

std::string counted(std::uint64_t number, const char* one, const char* many) {
  return grouped(number) + " " + (number == 1 ? one : many);
}

std::string about(std::int64_t seconds) {
  if (seconds >= 86'400)
    seconds -= seconds % 3600;
  else if (seconds >= 3600)
    seconds -= seconds % 60;
  return to_duration_text(std::chrono::seconds(seconds));
}

}  // namespace sealpost::text
