// SPDX-License-Identifier: Apache-2.0
#include "tls/pem_file.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/handles.hpp"

namespace sealpost::tls {

namespace {
constexpr std::size_t largest_file = 16U << 20U;
}

Expected<std::string> read_pem_file(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "rbe"));
  if (!file) return Error(Errc::io, path + ": " + std::strerror(errno));
  struct stat status {};
  if (::fstat(::fileno(file.get()), &status) == 0 && S_ISDIR(status.st_mode)) {
    return Error(Errc::invalid, path + ": is a directory; name one PEM file");
  }
  std::string text;
  std::array<char, 65536> piece{};
  for (;;) {
    const std::size_t got = std::fread(piece.data(), 1, piece.size(), file.get());
    text.append(piece.data(), got);
    if (text.size() > largest_file) return Error(Errc::too_long, path + ": larger than 16 MiB, no PEM file");
    if (got < piece.size()) break;
  }
  if (std::ferror(file.get())) return Error(Errc::io, path + ": " + std::strerror(errno));
  return text;
}

Expected<void> pem_left_over(const std::string& what) {
  const unsigned long last = ERR_peek_last_error();
  if (last == 0 || (ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE)) {
    ERR_clear_error();
    return {};
  }
  return take_error(Errc::invalid, what + " cannot be read");
}

}  // namespace sealpost::tls
