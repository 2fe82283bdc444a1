// SPDX-License-Identifier: Apache-2.0
#include "mail/dkim.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/openssl_handles.hpp"
#include "base/text.hpp"

namespace sealpost {
namespace {

// In the order they are listed in h=; From first. Received, Return-Path and Comments are never signed (K4).
constexpr std::array signed_names = {"from",
                                     "to",
                                     "cc",
                                     "subject",
                                     "date",
                                     "message-id",
                                     "reply-to",
                                     "in-reply-to",
                                     "references",
                                     "mime-version",
                                     "content-type",
                                     "content-transfer-encoding",
                                     "content-disposition",
                                     "content-id",
                                     "content-description",
                                     "list-id",
                                     "list-help",
                                     "list-unsubscribe",
                                     "list-unsubscribe-post",
                                     "list-subscribe",
                                     "list-post",
                                     "list-owner",
                                     "list-archive",
                                     "tls-report-domain",
                                     "tls-report-submitter",
                                     "tls-required"};
constexpr std::array oversigned_names = {"from", "to", "cc", "subject", "date", "reply-to", "content-type"};
constexpr std::size_t fold_at = 72;

bool is_wsp(char c) noexcept { return c == ' ' || c == '\t'; }

struct Field {
  std::string name;      // lower case
  std::string_view raw;  // with its CRLF
};

std::vector<Field> fields_of(std::string_view head) {
  std::vector<Field> fields;
  std::size_t at = 0;
  while (at < head.size()) {
    std::size_t end = at;
    do {
      end = head.find('\n', end);
      end = end == std::string_view::npos ? head.size() : end + 1;
    } while (end < head.size() && is_wsp(head[end]));
    const std::string_view raw = head.substr(at, end - at);
    const auto colon = raw.find(':');
    // A first line that begins with a blank continues whatever stands before the message: no field of its own.
    if (colon != std::string_view::npos && !is_wsp(raw.front()))
      fields.push_back({text::lower(text::trim(raw.substr(0, colon))), raw});
    at = end;
  }
  return fields;
}

std::string base64_of(const unsigned char* octets, std::size_t size) {
  return text::base64(std::string_view(reinterpret_cast<const char*>(octets), size));
}

// "h=" and "b=" values are folded between names and anywhere in the base64; relaxed canonicalization forgives both.
std::string fold_list(const std::vector<std::string>& names) {
  std::string text;
  std::size_t column = 3;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string part = names[i] + (i + 1 < names.size() ? ":" : "");
    if (column + part.size() > fold_at) {
      text += "\r\n\t ";
      column = 9;
    }
    text += part;
    column += part.size();
  }
  return text;
}

std::string fold_base64(const std::string& base64) {
  std::string text;
  for (std::size_t at = 0; at < base64.size(); at += fold_at) {
    if (at > 0) text += "\r\n\t ";
    text += base64.substr(at, fold_at);
  }
  return text;
}

}  // namespace

std::string dkim_relaxed_field(std::string_view field) {
  const auto colon = field.find(':');
  std::string result = text::lower(text::trim(field.substr(0, colon))) + ":";
  bool space = false;
  bool begun = false;
  for (const char c : field.substr(colon + 1)) {
    if (c == '\r' || c == '\n') continue;  // unfolding; what folded is WSP and counts below
    if (is_wsp(c)) {
      space = true;
      continue;
    }
    if (space && begun) result += ' ';
    space = false;
    begun = true;
    result += c;
  }
  return result;
}

struct DkimBodyHash::Impl {
  EvpDigestContextPtr context{EVP_MD_CTX_new()};
};

DkimBodyHash::DkimBodyHash() : impl_(std::make_unique<Impl>()) {
  EVP_DigestInit_ex(impl_->context.get(), EVP_sha256(), nullptr);
}
DkimBodyHash::~DkimBodyHash() = default;

void DkimBodyHash::put(std::string_view octets) {
  EVP_DigestUpdate(impl_->context.get(), octets.data(), octets.size());
}

void DkimBodyHash::add(std::string_view octets) {
  std::string run;
  run.reserve(octets.size() + 64);
  for (const char c : octets) {
    if (c == '\r') continue;  // lines end in CRLF here; a bare CR never gets this far
    if (c == '\n') {
      space_ = false;
      if (line_empty_) {
        ++empty_lines_;
      } else {
        run += "\r\n";
        line_empty_ = true;
      }
      continue;
    }
    if (is_wsp(c)) {
      space_ = true;
      continue;
    }
    for (; empty_lines_ > 0; --empty_lines_) run += "\r\n";
    if (space_) run += ' ';
    space_ = false;
    line_empty_ = false;
    run += c;
  }
  put(run);
}

std::string DkimBodyHash::finish_base64() {
  if (!line_empty_) put("\r\n");  // a last line without its end gets one
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(impl_->context.get(), digest.data(), &size);
  return base64_of(digest.data(), size);
}

Expected<std::string> dkim_signature_with(const DkimSigner& signer, std::string_view head,
                                          const std::string& body_hash_base64, SystemTime now) {
  const std::vector<Field> fields = fields_of(head);
  std::map<std::string, std::vector<const Field*>, std::less<>> by_name;
  for (const Field& field : fields) by_name[field.name].push_back(&field);
  const auto from = by_name.find("from");
  if (from == by_name.end() || from->second.size() != 1)
    return Error(Errc::invalid, "the message has " +
                                    std::to_string(from == by_name.end() ? 0 : from->second.size()) +
                                    " From fields; DKIM signs one");

  std::vector<std::string> names;
  std::string hashed;
  for (const char* const name : signed_names) {
    const auto found = by_name.find(name);
    if (found != by_name.end()) {
      for (auto field = found->second.rbegin(); field != found->second.rend();
           ++field) {  // bottom up (§5.4.2)
        names.emplace_back(name);
        hashed += dkim_relaxed_field((*field)->raw) + "\r\n";
      }
    }
    if (std::find(oversigned_names.begin(), oversigned_names.end(), std::string_view(name)) !=
        oversigned_names.end())
      names.emplace_back(name);
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const bool rsa = signer.key->algorithm() == DkimKey::Algorithm::rsa_sha256;
  std::string field = "DKIM-Signature: v=1; a=" + std::string(rsa ? "rsa-sha256" : "ed25519-sha256") +
                      "; c=relaxed/relaxed; d=" + signer.domain + ";\r\n\ts=" + signer.selector +
                      "; t=" + std::to_string(seconds) + ";\r\n\th=" + fold_list(names) +
                      ";\r\n\tbh=" + body_hash_base64 + ";\r\n\tb=";
  hashed += dkim_relaxed_field(field);  // itself last, b= empty, no CRLF (§3.7)
  auto signature = signer.key->sign(hashed);
  if (!signature) return signature.error();
  return field + fold_base64(text::base64(*signature)) + "\r\n";
}

Expected<std::string> dkim_signature(const DkimSigner& signer, std::string_view head, std::string_view body,
                                     SystemTime now) {
  DkimBodyHash hash;
  hash.add(body);
  return dkim_signature_with(signer, head, hash.finish_base64(), now);
}

}  // namespace sealpost
