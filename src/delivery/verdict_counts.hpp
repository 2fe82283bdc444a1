// SPDX-License-Identifier: Apache-2.0
//
// How demands were met, by who made them: every session that was judged counts once for each source that asked
// something of it, whatever its domain (T-59). Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "sealpost/requirement.hpp"
#include "sealpost/verdict.hpp"

namespace sealpost::delivery {

class VerdictCounts {
 public:
  enum class Result : std::uint8_t {
    satisfied,
    reported,  // not satisfied, and mail went all the same: audit, testing
    refused,
  };
  static constexpr std::array results{Result::satisfied, Result::reported, Result::refused};
  // By name_of(Source), and "none": nobody asked anything.
  static constexpr std::array sources{Source::partner, Source::requiretls, Source::message,
                                      Source::dane,    Source::mta_sts,    Source::opportunistic};
  static constexpr std::size_t nobody = sources.size();
  static std::string_view source_name(std::size_t source) noexcept {
    return source == nobody ? "none" : name_of(sources.at(source));
  }
  static std::string_view result_name(Result result) noexcept {
    switch (result) {
      case Result::satisfied: return "satisfied";
      case Result::reported: return "reported";
      case Result::refused: return "refused";
    }
    return "?";
  }

  // `skip`: the host was not contacted, and `judgement` is empty.
  void count(const Judgement& judgement, const HostSkip* skip) noexcept {
    if (skip != nullptr) return add(index_of(skip->source), Result::refused);
    if (judgement.results.empty()) return add(nobody, Result::satisfied);
    for (const DemandResult& result : judgement.results)
      add(index_of(result.source), result.satisfied() ? Result::satisfied
                                   : result.refuses() ? Result::refused
                                                      : Result::reported);
  }
  const std::atomic<std::uint64_t>& of(std::size_t source, Result result) const noexcept {
    return counts_.at(source)[static_cast<std::size_t>(result)];
  }

 private:
  static std::size_t index_of(Source source) noexcept { return static_cast<std::size_t>(source); }
  void add(std::size_t source, Result result) noexcept {
    counts_.at(source)[static_cast<std::size_t>(result)].fetch_add(1, std::memory_order_relaxed);
  }

  std::array<std::array<std::atomic<std::uint64_t>, results.size()>, sources.size() + 1> counts_{};
};

}  // namespace sealpost::delivery
