// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"

#include <doctest.h>

#include <fstream>
#include <sstream>

#include "importing/written.hpp"
#include "partner/partner_file.hpp"

namespace sealpost::importing {
namespace {

std::string listed(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ",") + one;
  return text;
}

}  // namespace

SystemTime import_time() { return *from_rfc3339("2026-07-01T12:00:00Z"); }

ImportOptions plain_options() {
  ImportOptions options;
  options.now = import_time();
  return options;
}

// What comes out reads back as it was, whatever the test is about.
Import imported(Format format, const std::string& text, const ImportOptions& options) {
  const auto made = import_rules(format, text, options);
  INFO(text.substr(0, 2000));
  INFO((made ? std::string() : made.error().detail));
  REQUIRE(made.has_value());
  const std::string file = partner_file(*made, {format, "tls_policy", std::string(64, 'a'), import_time()});
  if (made->rules.empty()) return *made;
  const auto read = app::read_partner_text(file, "made.toml", import_time());
  for (const app::Finding& finding : read.findings) {
    INFO(finding.to_string());
    CHECK(finding.kind == app::Finding::Kind::warning);
  }
  REQUIRE(read.rules.size() == made->rules.size());
  for (std::size_t i = 0; i < read.rules.size(); ++i) {
    INFO(file);
    CHECK(read.rules[i].domains == made->rules[i].rule.domains);
    CHECK(app::meaning_hash(read.rules[i]) == app::meaning_hash(made->rules[i].rule));
  }
  return *made;
}

std::string rules_in(const Import& import) {
  std::string text;
  for (const ImportedRule& one : import.rules) {
    const PartnerRule& rule = one.rule;
    text += listed(rule.domains) + ": " + std::string(name_of(rule.level));
    if (!rule.mx.empty()) text += " mx=" + listed(rule.mx);
    if (rule.level == PartnerLevel::verify)
      text +=
          " names=" + (rule.names == PartnerRule::Names::mx                   ? "mx"
                       : rule.names == PartnerRule::Names::domain             ? "domain"
                       : rule.literal_names == std::vector<std::string>{"mx"} ? "mx."
                                                                              : listed(rule.literal_names));
    if (!rule.pins.empty()) text += " pins=" + std::to_string(rule.pins.size());
    if (rule.minimum != TlsVersion::none) text += rule.minimum == TlsVersion::tls1_3 ? " 1.3" : " 1.2";
    if (rule.audit) text += " audit";
    text += "\n";
  }
  return text;
}

std::string remarks_in(const Import& import) {
  std::string text;
  for (const Remark& remark : import.all_remarks())
    text += std::to_string(remark.line) + " " + remark.key + " " + std::string(name_of(remark.kind)) + ": " +
            remark.text + "\n";
  return text;
}

std::string gravest(const Import& import) {
  if (import.count(Remark::Kind::left_out) > 0) return "left_out";
  return import.count(Remark::Kind::stronger) > 0 ? "stronger" : "";
}

std::string refused(Format format, const std::string& text) {
  const auto made = import_rules(format, text, plain_options());
  REQUIRE(!made.has_value());
  return made.error().detail;
}

std::string sample(const std::string& name) {
  std::ifstream file(std::string(SAMPLES) + "/" + name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  REQUIRE(!text.str().empty());
  return text.str();
}

}  // namespace sealpost::importing
