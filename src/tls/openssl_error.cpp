// SPDX-License-Identifier: Apache-2.0
#include "tls/openssl_error.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>

namespace sealpost::tls {

namespace {

std::string take_words() {
  const unsigned long code = ERR_get_error();
  std::string words;
  if (code == 0) {
    words = "unknown";
  } else if (ERR_SYSTEM_ERROR(code)) {
    words = std::strerror(ERR_GET_REASON(code));
  } else if (const char* reason = ERR_reason_error_string(code)) {
    words = reason;
  } else {
    words = "reason " + std::to_string(ERR_GET_REASON(code));
  }
  ERR_clear_error();
  return words;
}

}  // namespace

std::string take_reason() {
  std::string token = take_words();
  std::transform(token.begin(), token.end(), token.begin(), [](char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    return kept ? c : '-';
  });
  return token;
}

Error take_error(Errc code, std::string_view what) {
  return Error(code, std::string(what) + ": " + take_words());
}

}  // namespace sealpost::tls
