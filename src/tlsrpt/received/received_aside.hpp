// SPDX-License-Identifier: Apache-2.0
//
// Reports of others that could not be taken: kept as they came, with the reason, so that nothing is lost before somebody
// has looked. Bounded: the oldest go when there are too many; what strangers brought, by mail or HTTPS, and what an operator
// read in have a bound each, so that no stranger drives out what is not his. Rows of tlsrpt.db.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tlsrpt/counting/store.hpp"

namespace sealpost::tlsrpt {

struct KeptAside {
  std::int64_t id = 0;
  std::string file, piece;  // which file it was in, and where in it
  std::string why;
  SystemTime read_at{};
  std::size_t octets = 0;
};

// So the file is called that a report of a mail was in, and one that came by HTTPS; its id follows.
inline constexpr std::string_view mail_file = "mail ", posted_file = "https ";

class Aside {
 public:
  // Of strangers, and as much of files.
  static constexpr std::size_t most_pieces = 500;
  static constexpr std::size_t most_octets = 64u << 20;

  explicit Aside(Store& store) noexcept : store_(store) {}

  // Its id; that of before when the same octets are there already.
  Expected<std::int64_t> keep(const KeptAside& about, const std::string& octets);
  Expected<std::vector<KeptAside>> list();  // newest first
  // Nothing: there is none of that id.
  Expected<std::optional<std::string>> octets(std::int64_t id);
  Expected<bool> forget(std::int64_t id);                   // false: there was none
  Expected<bool> forget_octets(const std::string& octets);  // once they could be taken after all

 private:
  Expected<void> make_room(bool of_strangers);
  Store& store_;
};

}  // namespace sealpost::tlsrpt
