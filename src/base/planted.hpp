// SPDX-License-Identifier: Apache-2.0
//
// Faults planted on purpose, so that the tests are seen to find them. One at a time, named by SEALPOST_PLANT in the
// environment, and only in builds without optimisation (tests/build debug, asan): an optimised build, which is what is
// installed, has none of them in it. tests/campaign/plants.tsv says which test program finds which.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace sealpost {

enum class Plant : std::uint8_t {
  lend_weak,               // judge() does not look at the strength of a session
  resume_across_profiles,  // a TLS session is resumed whatever its handshake offered
  assume_dane,             // DANE counts as on, whatever the self-test of the resolver says
  one_port,                // all DNS queries leave from one port
  no_query_budget,         // an attempt may ask the DNS without end
};
inline constexpr std::array<std::string_view, 5> plant_names = {"lend-weak", "resume-across-profiles",
                                                                "assume-dane", "one-port", "no-query-budget"};

#ifdef __OPTIMIZE__
constexpr bool planted(Plant) noexcept { return false; }
#else
inline bool planted(Plant plant) noexcept {
  static const char* const named = std::getenv("SEALPOST_PLANT");
  return named != nullptr && named == plant_names[static_cast<std::size_t>(plant)];
}
#endif

}  // namespace sealpost
