// SPDX-License-Identifier: Apache-2.0
#include "partner/partner_file.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "mail/address.hpp"
#include "partner/partner_warnings.hpp"
#include "partner/policy_directory.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t longest_name = 100;
constexpr std::chrono::seconds longest_grace = 30 * 24h;
constexpr std::size_t sha256_octets = 32;

std::optional<PartnerLevel> level_named(std::string_view word) {
  for (const auto level : {PartnerLevel::none, PartnerLevel::opportunistic, PartnerLevel::encrypt,
                           PartnerLevel::verify, PartnerLevel::dane, PartnerLevel::pin})
    if (name_of(level) == word) return level;
  return std::nullopt;
}

std::optional<PartnerLevel> read_level(TableReader& reader) {
  reader.required("tls");
  const auto word = reader.choice("tls", {"none", "opportunistic", "encrypt", "verify", "dane", "pin"});
  return word ? level_named(*word) : std::nullopt;
}

// "noord.example" or "*.noord.example", as A-labels; of domains also "*": all that no other rule names.
std::optional<std::string> read_pattern(TableReader& reader, std::string_view key,
                                        const std::string& written) {
  if (written == "*" && key == "domains") return written;
  const bool wild = written.starts_with("*.");
  const std::string_view domain = wild ? std::string_view(written).substr(2) : std::string_view(written);
  const auto name = to_a_labels(domain);
  if (name) return (wild ? "*." : "") + *name;
  // Mail is taken for domains with '_' (ADR 32), so they can be demanded of.
  if (is_lenient_domain_name(domain)) return text::lower(written);
  reader.error(key,
               "'" + text::printable(written, 100) +
                   "' is not a domain; write \"noord.example\", or \"*.noord.example\" for what is below it" +
                   (key == "domains" ? ", or \"*\" for all domains" : ""));
  return std::nullopt;
}

std::vector<std::string> read_patterns(TableReader& reader, std::string_view key) {
  std::vector<std::string> patterns;
  for (const std::string& written : reader.strings(key).value_or(std::vector<std::string>())) {
    const auto pattern = read_pattern(reader, key, written);
    if (!pattern) continue;
    if (std::find(patterns.begin(), patterns.end(), *pattern) != patterns.end())
      reader.warning(key, "'" + *pattern + "' is there twice");
    else
      patterns.push_back(*pattern);
  }
  return patterns;
}

void read_names(TableReader& reader, PartnerRule& rule) {
  rule.names = rule.mx.empty() ? PartnerRule::Names::domain : PartnerRule::Names::mx;
  const auto names = reader.strings("names");
  if (!names) return;
  if (names->empty()) return reader.error("names", "is empty; write [\"mx\"], [\"domain\"], or host names");
  const auto has = [&](std::string_view word) {
    return std::find(names->begin(), names->end(), word) != names->end();
  };
  if (has("mx") || has("domain")) {
    if (names->size() > 1)
      return reader.error("names",
                          "\"mx\" and \"domain\" stand alone; write [\"mx\"], [\"domain\"], or host names");
    rule.names = has("mx") ? PartnerRule::Names::mx : PartnerRule::Names::domain;
    return;
  }
  rule.names = PartnerRule::Names::literal;
  for (const std::string& written : *names) {
    const auto name = to_a_labels(written);
    if (name)
      rule.literal_names.push_back(*name);
    else
      reader.error("names",
                   "'" + text::printable(written, 100) + "' is neither \"mx\", \"domain\" nor a host name");
  }
}

// Hex as openssl prints it, with or without colons, or base64 with or without "sha256/" before it.
std::optional<std::string> pin_of(std::string written) {
  if (written.starts_with("sha256/")) written.erase(0, 7);
  std::string digits = written;
  std::erase(digits, ':');
  if (const auto bytes = text::from_hex(digits); bytes && bytes->size() == sha256_octets)
    return text::lower(digits);
  const auto decoded = text::from_base64(written);
  if (!decoded || decoded->size() != sha256_octets) return std::nullopt;
  return text::hex({reinterpret_cast<const std::uint8_t*>(decoded->data()), decoded->size()});
}

void read_pins(TableReader& reader, PartnerRule& rule) {
  for (const std::string& written : reader.strings("pins").value_or(std::vector<std::string>())) {
    if (const auto pin = pin_of(written))
      rule.pins.push_back(*pin);
    else
      reader.error(
          "pins", "'" + text::printable(written, 100) +
                      "' is not the SHA-256 of a public key; write 64 hex digits or 44 characters of base64");
  }
}

// "gateway.example:25"; never looked up by MX, so the port says where.
bool is_gateway(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return false;
  const std::string_view host = text.substr(0, colon);
  const auto port = text::parse_u64(text.substr(colon + 1));
  return port && *port > 0 && *port < 65536 && is_domain_name(host) && !IpAddress::parse(host);
}

void read_on_failure(TableReader& reader, PartnerRule& rule) {
  constexpr std::string_view reroute = "reroute:";
  const auto word = reader.string("on_failure");
  if (!word) return;
  if (*word == "bounce") {
    rule.on_failure = PartnerRule::OnFailure::bounce;
  } else if (*word == "defer") {
    rule.on_failure = PartnerRule::OnFailure::defer;
  } else if (word->starts_with(reroute)) {
    rule.on_failure = PartnerRule::OnFailure::reroute;
    rule.reroute = word->substr(reroute.size());
    if (!is_gateway(rule.reroute))
      reader.error("on_failure",
                   "the gateway must be host:port with a name its certificate can show, as in "
                   "\"reroute:gateway.example:25\"");
  } else {
    reader.error("on_failure",
                 "'" + text::printable(*word, 60) + "' is not one of: bounce, defer, reroute:HOST:PORT");
  }
}

void read_exception(TableReader& reader, PartnerRule& rule) {
  PartnerException exception;
  for (const std::string_view key : {"until", "reason", "approved_by"}) reader.required(key);
  if (const auto until = reader.time("until")) exception.until = *until;
  if (const auto level = read_level(reader)) exception.level = *level;
  exception.reason = read_words(reader, "reason");
  exception.approved_by = read_words(reader, "approved_by");
  rule.exceptions.push_back(std::move(exception));
}

void read_dates(TableReader& reader, PartnerRule& rule) {
  rule.starts = reader.time("starts");
  rule.ends = reader.time("ends");
  rule.review_by = reader.time("review_by");
  if (rule.starts && rule.ends && *rule.ends <= *rule.starts)
    reader.error("ends", "is not after starts, so the rule would never hold");
}

bool is_ever(const PartnerRule& rule, PartnerLevel least) {
  return rule.level >= least ||
         std::any_of(rule.exceptions.begin(), rule.exceptions.end(),
                     [least](const auto& exception) { return exception.level >= least; });
}

// What is written and would not be checked is an error: an officer relies on it.
void check_rule(TableReader& reader, const PartnerRule& rule) {
  if (rule.name.size() > longest_name) reader.error("name", "is longer than 100 characters");
  if (rule.domains.empty()) reader.error("domains", "names no domain; write domains = [\"noord.example\"]");
  const bool pins = is_ever(rule, PartnerLevel::pin);
  if (pins && rule.pins.empty()) reader.error("pins", "tls = \"pin\" needs at least one pin");
  if (!is_ever(rule, PartnerLevel::verify) && !rule.pins.empty())
    reader.error("pins", "is only checked with tls = \"verify\", \"dane\" or \"pin\"");
  if (!is_ever(rule, PartnerLevel::encrypt) && rule.minimum != TlsVersion::none)
    reader.error("minimum", "is only checked with tls = \"encrypt\" or more");
  if (!is_ever(rule, PartnerLevel::verify) && reader.has("names"))
    reader.error("names", "is only checked with tls = \"verify\"");
  if (rule.client_certificate.empty() != rule.client_key.empty())
    reader.error(rule.client_key.empty() ? "client_certificate" : "client_key",
                 "certificate and key belong together; one of them is missing");
  if (!rule.client_certificate.empty() && !is_ever(rule, PartnerLevel::opportunistic))
    reader.error("client_certificate", "is never shown with tls = \"none\"");
  if (rule.grace > longest_grace) reader.error("grace", "is longer than 30 days");
}

PartnerRule read_rule(TableReader& reader, SystemTime now) {
  PartnerRule rule;
  rule.file = reader.file();
  rule.line = reader.line();
  reader.required("name");
  reader.required("domains");
  rule.name = read_words(reader, "name");
  rule.domains = read_patterns(reader, "domains");
  if (const auto level = read_level(reader)) rule.level = *level;
  rule.mx = read_patterns(reader, "mx");
  read_names(reader, rule);
  read_pins(reader, rule);
  if (const auto version = reader.choice("minimum", {"1.2", "1.3"}))
    rule.minimum = *version == "1.3" ? TlsVersion::tls1_3 : TlsVersion::tls1_2;
  if (const auto mode = reader.choice("mode", {"enforce", "audit"})) rule.audit = *mode == "audit";
  read_on_failure(reader, rule);
  if (const auto grace = reader.duration("grace")) rule.grace = *grace;
  rule.client_certificate = read_file_path(reader, "client_certificate", Secret::no);
  rule.client_key = read_file_path(reader, "client_key", Secret::yes);
  read_dates(reader, rule);
  rule.owner = read_words(reader, "owner");
  rule.reference = read_words(reader, "reference");
  reader.each_table("exception", [&](TableReader& inner) { read_exception(inner, rule); });
  check_rule(reader, rule);
  warn_about(reader, rule, now);
  rule.hash = meaning_hash(rule);
  return rule;
}

void read_into(const std::optional<toml::table>& table, const std::string& path, SystemTime now,
               PartnerFiles& into) {
  if (!table) return;
  TableReader root(*table, path, "", into.findings);
  const std::size_t rules = into.rules.size(), entries = into.weaker.size();
  root.each_table("partner", [&](TableReader& reader) { into.rules.push_back(read_rule(reader, now)); });
  root.each_table("weaker",
                  [&](TableReader& reader) { into.weaker.push_back(read_weaker_entry(reader, now)); });
  if (into.rules.size() == rules && into.weaker.size() == entries)
    root.error("", "there is no [[partner]] in this file; restore it, or remove the file");
  root.finish();
}

}  // namespace

PartnerFiles read_partner_file(const std::string& path, SystemTime now) {
  PartnerFiles files;
  read_into(parse_toml_file(path, files.findings, &files.sources), path, now, files);
  check_together(files.rules, files.findings);
  return files;
}

PartnerFiles read_partner_text(std::string_view text, const std::string& name, SystemTime now) {
  PartnerFiles files;
  read_into(parse_toml_text(text, name, files.findings), name, now, files);
  check_together(files.rules, files.findings);
  return files;
}

PartnerFiles read_partner_directory(const std::string& directory, SystemTime now) {
  PartnerFiles files;
  for (const std::string& path : policy_files(directory, files.findings))
    read_into(parse_toml_file(path, files.findings, &files.sources), path, now, files);
  check_together(files.rules, files.findings);
  return files;
}

}  // namespace sealpost::app
