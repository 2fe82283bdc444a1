// SPDX-License-Identifier: Apache-2.0
#include "importing/cisco.hpp"

#include "base/text.hpp"
#include "importing/source.hpp"

namespace sealpost::importing {
namespace {

struct Section {
  unsigned line = 0;
  std::string name;
  std::map<std::string, std::string, std::less<>> settings;

  std::string setting(std::initializer_list<std::string_view> names) const {
    for (const std::string_view one : names)
      if (const auto found = settings.find(one); found != settings.end()) return found->second;
    return "";
  }
};

Expected<std::vector<Section>> sections_of(std::string_view text) {
  std::vector<Section> all;
  for (const Line& line : lines_of(text)) {
    const std::string_view words = text::trim(line.text);
    if (words.empty() || words.front() == '#' || words.front() == ';') continue;
    const std::string where = "line " + std::to_string(line.number) + ": ";
    if (words.front() == '[') {
      if (words.back() != ']')
        return Error(Errc::invalid, where + "a section begins here, and ']' is missing");
      all.push_back({line.number, std::string(text::trim(words.substr(1, words.size() - 2))), {}});
      continue;
    }
    const std::size_t equals = words.find('=');
    if (equals == words.npos || all.empty())
      return Error(Errc::invalid, where + "is neither [domain] nor name = value of one");
    all.back().settings[text::lower(text::trim(words.substr(0, equals)))] =
        std::string(text::trim(words.substr(equals + 1)));
  }
  if (all.empty()) return Error(Errc::invalid, "holds no [domain]");
  return all;
}

enum class Demand : std::uint8_t { unsaid, off, preferred, required, verified, hosted, unknown };

Demand demand_in(const Section& section) {
  const std::string word = bare_word(section.setting({"table_tls", "tls_support", "tls"}));
  if (word.empty() || word == "default") return Demand::unsaid;
  if (word == "off" || word == "0" || word == "no" || word == "none") return Demand::off;
  if (word == "on" || word == "1" || word == "preferred" || word == "onverify" || word == "3" ||
      word == "preferredverify")
    return Demand::preferred;
  if (word == "required" || word == "require" || word == "2") return Demand::required;
  if (word == "requireverify" || word == "requiredverify" || word == "4") return Demand::verified;
  if (word == "requireverifyhosted" || word == "requiredverifyhosted" ||
      word == "requiredverifyhosteddomains" || word == "5")
    return Demand::hosted;
  return Demand::unknown;
}

enum class Dane : std::uint8_t { no, mandatory, unknown };

Dane dane_in(const Section& section) {
  const std::string word = bare_word(section.setting({"dane", "dane_support", "tls_dane", "table_dane"}));
  if (word == "mandatory" || word == "2" || word == "required") return Dane::mandatory;
  const bool no = word.empty() || word == "default" || word == "none" || word == "no" || word == "off" ||
                  word == "0" || word == "opportunistic" || word == "on" || word == "1" || word == "yes";
  return no ? Dane::no : Dane::unknown;
}

class SectionReader {
 public:
  SectionReader(const Section& section, Collector& into)
      : section_(section), into_(into), is_default_(text::iequals(section.name, "DEFAULT")) {}

  void read() {
    const auto pattern = is_default_ ? std::optional<std::string>("*") : domain_pattern(section_.name);
    if (!pattern) return leave_out("is no domain that a rule can name", "write the rule by hand");
    imported_.line = section_.line;
    imported_.rule.name = is_default_ ? "Destination controls: default" : rule_name(section_.name);
    imported_.rule.domains = {*pattern};
    about_other_settings();
    if (set_level()) into_.add(std::move(imported_), section_.name);
  }

 private:
  void leave_out(std::string text, std::string remedy) {
    into_.remark(left_out(section_.line, section_.name, std::move(text), std::move(remedy)));
  }
  void say(Remark remark) { imported_.remarks.push_back(std::move(remark)); }
  void note_only(std::string text) {
    Remark said = note(std::move(text));
    said.line = section_.line;
    said.key = shown(section_.name);
    into_.remark(std::move(said));
  }

  // False: no rule comes of it.
  bool set_level() {
    PartnerRule& rule = imported_.rule;
    const Dane dane = dane_in(section_);
    if (dane == Dane::unknown) {
      leave_out("its DANE setting '" +
                    shown(section_.setting({"dane", "dane_support", "tls_dane", "table_dane"})) +
                    "' is not known here, and may demand something",
                "write the rule by hand");
      return false;
    }
    if (dane == Dane::mandatory) {
      rule.level = PartnerLevel::dane;
      return true;
    }
    switch (demand_in(section_)) {
      case Demand::unsaid:
        if (!is_default_)
          note_only("says nothing of TLS: what holds for all holds for it, and no rule is needed");
        return false;
      case Demand::off:
        if (is_default_) {
          note_only("TLS is off for all others: here it is used where the host offers it, without a rule");
          return false;
        }
        rule.level = PartnerLevel::opportunistic;
        say(stronger("TLS off: here it is used where the host offers it",
                     "if its TLS is broken, write tls = \"none\" yourself"));
        return true;
      case Demand::preferred:
        rule.level = PartnerLevel::opportunistic;
        return !is_default_;  // as it is without a rule
      case Demand::required: rule.level = PartnerLevel::encrypt; return true;
      case Demand::verified:
        rule.level = PartnerLevel::verify;
        rule.names = PartnerRule::Names::mx;
        into_.remark_once(stronger(
            "verified TLS: the gateway takes a certificate that names the mail host or the domain; here it "
            "must name "
            "the host",
            "where the hosts are the domain's own, names = [\"domain\"] is better: DNS may be forged"));
        return true;
      case Demand::hosted:
        rule.level = PartnerLevel::verify;
        rule.names = PartnerRule::Names::domain;
        into_.remark_once(
            note("verified TLS of hosted domains: the certificate must name the domain or a host directly "
                 "under it"));
        return true;
      case Demand::unknown: break;
    }
    leave_out("its TLS setting '" + shown(section_.setting({"table_tls", "tls_support", "tls"})) +
                  "' is not known here",
              "write the rule by hand");
    return false;
  }

  void about_other_settings() {
    const bool limits =
        !section_.setting({"max_host_concurrency", "recipient_limit", "max_messages_per_connection"}).empty();
    if (limits && !is_default_)
      into_.remark_once(
          note("limits of connections and recipients are not carried over: the relay finds its own",
               "[[limit]] says otherwise (docs/destinations.md)"));
    if (!section_.setting({"certificate"}).empty() &&
        !text::iequals(section_.setting({"certificate"}), "default"))
      into_.remark_once(note("the gateway's own certificate is not carried over",
                             "client_certificate and client_key, for partners that ask for one"));
  }

  const Section& section_;
  Collector& into_;
  bool is_default_;
  ImportedRule imported_;
};

}  // namespace

Expected<void> read_cisco(std::string_view text, Collector& into) {
  const auto sections = sections_of(text);
  if (!sections) return sections.error();
  for (const Section& section : *sections) {
    into.count_entry();
    SectionReader(section, into).read();
  }
  return {};
}

}  // namespace sealpost::importing
