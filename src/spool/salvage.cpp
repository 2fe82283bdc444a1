// SPDX-License-Identifier: Apache-2.0
#include "spool/salvage.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "spool/bytes.hpp"
#include "spool/crc32c.hpp"
#include "spool/damage.hpp"
#include "spool/segment_scan.hpp"

namespace sealpost::spool {
namespace {

// The value that continues to `crc` over `octets`: crc32c() run backwards.
std::uint32_t begins_with(std::uint32_t crc, std::string_view octets) noexcept {
  std::uint32_t state = ~crc;
  for (std::size_t i = octets.size(); i > 0; --i) {
    for (int bit = 0; bit < 8; ++bit)
      state = (state & 0x80000000U) != 0 ? ((state ^ crc32c_polynomial) << 1) | 1U : state << 1;
    state ^= static_cast<unsigned char>(octets[i - 1]);
  }
  return ~state;
}

// What is to be read, and where in its segment it lay.
struct Source {
  std::uint64_t segment = 0;
  std::uint32_t seed = 0;
  std::uint64_t base = 0;
  std::string_view octets;
};

Expected<Source> source_of(std::string_view file) {
  Source source;
  if (auto stretch = decode_stretch_page(file)) {
    source.segment = stretch->header.sequence;
    source.seed = seed_of(stretch->header);
    source.base = stretch->from;
    source.octets = file.substr(segment_header_size);
    return source;
  }
  if (file.size() <= segment_header_size)
    return Error(Errc::invalid, "it is shorter than a segment's first page");
  auto header = decode_segment_header(file);
  if (!header && file.size() >= 2 * page_size) {
    auto copy = decode_segment_header(file.substr(file.size() - page_size));
    if (copy) header = copy;
  }
  if (!header && header.error().code == Errc::unavailable) return header.error();
  source.base = segment_header_size;
  source.octets = file.substr(segment_header_size);
  if (header) {
    source.segment = header->sequence;
    source.seed = seed_of(*header);
    return source;
  }
  source.seed = find_seed(source.octets, source.base);
  if (source.seed == 0)
    return Error(Errc::invalid, "it is no segment of a journal, or too little of it is left (" +
                                    header.error().detail + ")");
  return source;
}

std::uint64_t count_octets(std::string_view octets) {
  return static_cast<std::uint64_t>(
      std::count_if(octets.begin(), octets.end(), [](char octet) { return octet != 0; }));
}

}  // namespace

std::uint32_t find_seed(std::string_view octets, std::uint64_t base) {
  std::map<std::uint32_t, unsigned> votes;
  for (std::size_t at = (page_size - base % page_size) % page_size; at + record_header_size <= octets.size();
       at += page_size) {
    const std::string_view header = octets.substr(at, record_header_size);
    ByteReader in(header);
    const auto crc = in.get<std::uint32_t>();
    const auto head_length = in.get<std::uint32_t>();
    in.get<std::uint32_t>();
    const auto head_crc = in.get<std::uint32_t>();
    in.get<std::uint32_t>();
    if (in.get<std::uint32_t>() != base + at || head_length > max_head) continue;
    if (at + record_header_size + head_length > octets.size()) continue;
    if (crc32c(0, octets.substr(at + record_header_size, head_length)) != head_crc) continue;
    ++votes[begins_with(crc, header.substr(4))];
  }
  const auto best = std::max_element(votes.begin(), votes.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == votes.end() ? 0 : best->first;
}

Expected<Salvage> salvage(std::string_view file) {
  auto source = source_of(file);
  if (!source) return source.error();
  Salvage found;
  found.segment = source->segment;
  const std::string_view octets = source->octets;
  std::size_t at = 0, done = 0;
  RecordHeader header;
  while (at < octets.size()) {
    at = next_record(octets, at, source->seed, header);
    if (at >= octets.size()) break;
    const std::size_t head_at = at + record_header_size, blob_at = head_at + header.head_length;
    const std::string_view head = octets.substr(head_at, header.head_length);
    const std::string_view blob = octets.substr(blob_at, header.blob_length);
    auto decoded = decode_head(header.type, head, header.flags);
    if (crc32c(0, head) != header.head_crc || !decoded) {
      at += 8;
      continue;
    }
    SalvagedRecord one;
    one.header = header;
    one.record = std::move(decoded->record);
    one.blob = blob;
    one.blob_at = source->base + blob_at;
    one.blob_intact = crc32c(0, blob) == header.blob_crc;
    found.unreadable += count_octets(octets.substr(done, at - done));
    at = one.blob_intact ? at + footprint(header) : blob_at;
    done = at;
    found.records.push_back(std::move(one));
    at = padded(at);
  }
  if (done < octets.size()) found.unreadable += count_octets(octets.substr(done));
  return found;
}

}  // namespace sealpost::spool
