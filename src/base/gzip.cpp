// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.hpp"

#include <zlib.h>

#include <array>

namespace sealpost {
namespace {

constexpr int gzip_wrapper = 15 + 16;  // window bits, and "gzip" instead of "zlib"

}  // namespace

std::string gzip(std::string_view text, int level) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, gzip_wrapper, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Expected<std::string> gunzip(std::string_view octets, std::size_t most) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_wrapper) != Z_OK) return Error(Errc::unavailable, "zlib cannot begin");
  struct End {
    ~End() { inflateEnd(&stream); }
    z_stream& stream;
  } const end{stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(octets.data()));
  stream.avail_in = static_cast<uInt>(octets.size());
  std::string out;
  std::array<char, 16384> piece{};
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
    if (out.size() > most)
      return Error(Errc::too_long, "more than " + std::to_string(most) + " octets when unpacked");
  }
  if (state != Z_STREAM_END) return Error(Errc::invalid, "not a complete gzip file");
  return out;
}

}  // namespace sealpost
