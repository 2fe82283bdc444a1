// SPDX-License-Identifier: Apache-2.0
#include "tls/server_name.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace sealpost::tls {
namespace {

constexpr char host_name_type = 0;

// The octets behind a length of two octets, which must be all that is left, or may be followed by others.
enum class Rest : bool { none, any };
std::optional<std::string_view> counted_octets(std::string_view from, Rest rest) noexcept {
  if (from.size() < 2) return std::nullopt;
  const auto octet = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(from[at]));
  };
  const std::size_t size = octet(0) << 8U | octet(1);
  from.remove_prefix(2);
  if (size > from.size() || (rest == Rest::none && size != from.size())) return std::nullopt;
  return from.substr(0, size);
}

}  // namespace

ServerName::ServerName(std::string_view extension) noexcept {
  const auto list = counted_octets(extension, Rest::none);
  // Of several names the first counts; host names are the only kind there is.
  if (!list || list->empty() || list->front() != host_name_type) return;
  auto name = counted_octets(list->substr(1), Rest::any);
  if (!name || name->size() > octets_.size()) return;
  const auto printable = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::all_of(name->begin(), name->end(), printable)) return;
  if (name->ends_with('.')) name->remove_suffix(1);  // not allowed there, and some send it
  std::transform(name->begin(), name->end(), octets_.begin(), [](char c) { return text::lower(c); });
  size_ = name->size();
}

}  // namespace sealpost::tls
