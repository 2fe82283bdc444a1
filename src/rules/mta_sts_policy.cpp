// SPDX-License-Identifier: Apache-2.0
//
// The policy file (RFC 8461 §3.2). Any syntax error makes the whole file invalid: half a policy is none
// (S17).
#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "rules/domain_name.hpp"
#include "rules/sts_grammar.hpp"
#include "sealpost/mta_sts.hpp"

namespace sealpost {
namespace {

constexpr std::chrono::seconds longest_max_age{31557600};  // §3.2: about a year
constexpr std::size_t max_age_digits = 10;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr std::string_view blanks = " \t";

Error invalid(std::string_view token, std::size_t line, std::string_view what) {
  std::string detail = std::string(token) + ": ";
  if (line > 0) detail += "line " + std::to_string(line) + ": ";
  return Error(Errc::invalid, detail.append(what));
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Value of an extension field: visible ASCII or UTF-8, spaces only inside. The caller has trimmed the edges.
bool is_extension_value(std::string_view value) noexcept {
  return !value.empty() && std::none_of(value.begin(), value.end(), is_control) && text::is_utf8(value);
}

bool is_mx_pattern(std::string_view pattern) noexcept {
  if (pattern.starts_with("*.")) pattern.remove_prefix(2);
  return is_domain_name(pattern);
}

std::optional<StsMode> mode_of(std::string_view text) noexcept {
  for (const StsMode mode : {StsMode::none, StsMode::testing, StsMode::enforce})
    if (text == name_of(mode)) return mode;
  return std::nullopt;
}

std::optional<std::chrono::seconds> max_age_of(std::string_view text) noexcept {
  const auto value = text.size() <= max_age_digits ? text::parse_u64(text) : std::nullopt;
  if (!value) return std::nullopt;
  // Beyond the maximum the RFC says nothing (erratum 7282): such a policy lives as long as any may.
  return std::min(std::chrono::seconds(static_cast<std::int64_t>(*value)), longest_max_age);
}

class PolicyParser {
 public:
  Expected<MtaStsPolicy> parse(std::string_view body) {
    if (body.size() > sts_body_cap)
      return invalid("policy-too-large", 0, "the policy is longer than 65536 octets");
    if (body.starts_with(byte_order_mark)) body.remove_prefix(byte_order_mark.size());
    while (!body.empty()) {
      const std::size_t end = body.find('\n');
      std::string_view line = body.substr(0, end);
      body.remove_prefix(end == body.npos ? body.size() : end + 1);
      if (end != line.npos && line.ends_with('\r')) line.remove_suffix(1);  // LF or CRLF, mixed at will
      policy_.lines.emplace_back(line);
      const auto taken = take_line(line);
      if (!taken) return taken.error();
    }
    return finish();
  }

 private:
  Expected<void> take_line(std::string_view line) {
    if (std::any_of(line.begin(), line.end(), [](char c) { return is_control(c) && c != '\t'; }))
      return bad("control-character", "a control character in it, such as NUL or a CR without LF");
    const std::size_t end = line.find_last_not_of(blanks);
    if (end == line.npos) return {};  // empty lines are outside the grammar and common (S16)
    line = line.substr(0, end + 1);
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return bad("not-a-field", "no ':' in it");
    const std::string_view key = line.substr(0, colon);
    if (!rules::is_extension_name(key))
      return bad("bad-key", "the key before ':' has characters that may not be in a key");
    return take_field(key, text::trim(line.substr(colon + 1), blanks));
  }

  // Keys and words are case-sensitive. Of version, mode and max_age the first counts, later ones are skipped.
  Expected<void> take_field(std::string_view key, std::string_view value) {
    if (key == "version") {
      if (!version_ && value != "STSv1") return bad("unsupported-version", "the version is not STSv1");
      version_ = true;
    } else if (key == "mode") {
      if (mode_) return {};
      mode_ = mode_of(value);
      if (!mode_) return bad("bad-mode", "the mode is none of enforce, testing, none");
    } else if (key == "max_age") {
      if (max_age_) return {};
      max_age_ = max_age_of(value);
      if (!max_age_) return bad("bad-max_age", "max_age is not a number of 1 to 10 digits");
    } else if (key == "mx") {
      if (!is_mx_pattern(value)) return bad("bad-mx", "mx is neither a host name nor *. and a domain name");
      policy_.mx.push_back(text::lower(value));
    } else if (!is_extension_value(value)) {
      return bad("bad-value", "the value is empty, has control characters or is not UTF-8");
    }
    return {};
  }

  Expected<MtaStsPolicy> finish() {
    if (!version_) return invalid("missing-version", 0, "there is no version");
    if (!mode_) return invalid("missing-mode", 0, "there is no mode");
    if (!max_age_) return invalid("missing-max_age", 0, "there is no max_age");
    if (policy_.mx.empty() && *mode_ != StsMode::none)  // mode none must stay easy: it is the way out
      return invalid("missing-mx", 0, "there is no mx, and the mode is not none");
    policy_.mode = *mode_;
    policy_.max_age = *max_age_;
    return std::move(policy_);
  }

  Error bad(std::string_view token, std::string_view what) const {
    return invalid(token, policy_.lines.size(), what);
  }

  MtaStsPolicy policy_;
  bool version_ = false;
  std::optional<StsMode> mode_;
  std::optional<std::chrono::seconds> max_age_;
};

}  // namespace

std::string_view name_of(StsMode mode) noexcept {
  switch (mode) {
    case StsMode::none: return "none";
    case StsMode::testing: return "testing";
    case StsMode::enforce: return "enforce";
  }
  return "unknown";
}

Expected<MtaStsPolicy> parse_sts_policy(std::string_view body) { return PolicyParser().parse(body); }

}  // namespace sealpost
