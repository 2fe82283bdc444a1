// SPDX-License-Identifier: Apache-2.0
#include "importing/m365.hpp"

#include <algorithm>
#include <map>

#include "base/i_json.hpp"
#include "base/text.hpp"
#include "importing/source.hpp"

namespace sealpost::importing {
namespace {

using Json = nlohmann::json;

// Its members by bare_word() of their names, each with what it lists.
struct Connector {
  unsigned line = 0;
  std::map<std::string, std::vector<std::string>, std::less<>> members;

  std::vector<std::string> list(std::string_view name) const {
    const auto found = members.find(name);
    return found == members.end() ? std::vector<std::string>() : found->second;
  }
  std::string word(std::string_view name) const {
    const auto all = list(name);
    return all.empty() ? "" : all.front();
  }
  bool has(std::string_view name) const { return members.contains(name); }
};

// Where the elements of the outermost array begin, or the one object; of text that is JSON.
std::vector<unsigned> element_lines(std::string_view text) {
  std::vector<unsigned> lines;
  const bool array = text::trim(text, " \t\r\n").starts_with('[');
  int depth = 0;
  unsigned line = 1;
  bool string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (string) {
      if (c == '\\') ++at;
      if (c == '"') string = false;
      continue;
    }
    if (c == '"') string = true;
    if (c == '{' && depth == (array ? 1 : 0)) lines.push_back(line);
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return lines;
}

// Strings, numbers and truth as words; of objects what PowerShell shows of them.
void add_words(const Json& value, std::vector<std::string>& words, unsigned depth = 0) {
  if (value.is_string()) {
    words.push_back(value.get<std::string>());
  } else if (value.is_boolean()) {
    words.emplace_back(value.get<bool>() ? "true" : "false");
  } else if (value.is_number_integer()) {
    words.push_back(std::to_string(value.get<std::int64_t>()));
  } else if (depth > 4) {
    words.emplace_back("?");  // must not be taken for nothing
  } else if (value.is_array()) {
    for (const Json& one : value) add_words(one, words, depth + 1);
  } else if (value.is_object()) {
    for (const char* name : {"Address", "Domain", "value", "Value"})
      if (value.contains(name)) return add_words(value[name], words, depth + 1);
    words.emplace_back("?");
  } else if (!value.is_null()) {
    words.emplace_back("?");
  }
}

Expected<std::vector<Connector>> from_json(std::string_view text) {
  JsonBounds bounds;
  bounds.members = 1000;
  const auto parsed = parse_i_json(text, bounds);
  if (!parsed) return parsed.error();
  const std::vector<unsigned> lines = element_lines(text);
  std::vector<Connector> all;
  const Json array = parsed->is_array() ? *parsed : Json::array({*parsed});
  std::size_t objects = 0;
  for (const Json& one : array) {
    if (!one.is_object()) return Error(Errc::invalid, "holds something that is no connector");
    Connector connector;
    connector.line = objects < lines.size() ? lines[objects] : 0;
    ++objects;
    for (const auto& [name, value] : one.items()) add_words(value, connector.members[bare_word(name)]);
    all.push_back(std::move(connector));
  }
  return all;
}

// "{noord.example, zuid.example}", "noord.example;zuid.example", as people join lists.
std::vector<std::string> listed_in(std::string_view cell) { return parts_of(text::trim(cell, " {}\"'")); }

Expected<std::vector<Connector>> from_csv(std::string_view text) {
  const auto rows = rows_of(text);
  if (!rows) return rows.error();
  std::vector<std::string> heading;
  std::vector<Connector> all;
  for (const Row& row : *rows) {
    if (heading.empty()) {
      for (const std::string& cell : row.cells) heading.push_back(bare_word(cell));
      continue;
    }
    Connector connector;
    connector.line = row.line;
    for (std::size_t i = 0; i < row.cells.size() && i < heading.size(); ++i) {
      const bool list = heading[i] == "recipientdomains" || heading[i] == "smarthosts";
      auto& into = connector.members[heading[i]];
      if (list)
        into = listed_in(row.cells[i]);
      else if (!row.cells[i].empty())
        into = {row.cells[i]};
    }
    all.push_back(std::move(connector));
  }
  return all;
}

// Export-Csv writes the type of a list and not what is in it.
bool is_type_name(std::string_view word) {
  return word == "?" || text::istarts_with(word, "System.") ||
         text::istarts_with(word, "Microsoft.Exchange.");
}

class ConnectorReader {
 public:
  ConnectorReader(const Connector& connector, Collector& into)
      : connector_(connector), into_(into), name_(connector.word("name")) {
    if (name_.empty()) name_ = connector.word("identity");
    if (name_.empty()) name_ = "connector";
  }

  void read() {
    if (!is_in_use() || !read_domains()) return;
    imported_.line = connector_.line;
    imported_.rule.name = rule_name(name_);
    if (!set_level()) return;
    about_smart_hosts();
    into_.add(std::move(imported_), name_);
  }

 private:
  void leave_out(std::string text, std::string remedy = "") {
    into_.remark(left_out(connector_.line, name_, std::move(text), std::move(remedy)));
  }
  void note_only(std::string text) {
    Remark said = note(std::move(text));
    said.line = connector_.line;
    said.key = shown(name_);
    into_.remark(std::move(said));
  }
  void say(Remark remark) { imported_.remarks.push_back(std::move(remark)); }
  bool is_on(std::string_view member) const { return is_yes(connector_.word(member)); }

  bool is_in_use() {
    if (connector_.has("enabled") && !is_on("enabled")) {
      note_only("is not enabled, so it demands nothing");
      return false;
    }
    if (is_on("testmode")) {
      note_only("is in test mode, so it demands nothing");
      return false;
    }
    if (is_on("istransportrulescoped")) {
      leave_out("is used by mail flow rules, and partner rules go by the recipient's domain",
                "say it in a message (docs/injection.md), or write rules for the domains that are meant");
      return false;
    }
    return true;
  }

  // False: there is none to make a rule of.
  bool read_domains() {
    const auto written = connector_.list("recipientdomains");
    for (const std::string& word : written) {
      if (is_type_name(word)) {
        leave_out("RecipientDomains holds no domains but the name of a type",
                  "export it anew: Get-OutboundConnector | ConvertTo-Json -Depth 5");
        return false;
      }
      const auto pattern = domain_pattern(word);
      if (!pattern)
        leave_out("'" + shown(word) + "' is no domain", "mend it in the source, or write the rule by hand");
      else
        add_domain(*pattern);
    }
    if (!imported_.rule.domains.empty()) return true;
    if (written.empty() && (is_on("allaccepteddomains") || is_on("routeallmessagesviaonpremises")))
      leave_out("is for the organisation's own domains, which are not in it",
                "write rules for them where mail goes there through this relay");
    else if (written.empty())
      leave_out("has no RecipientDomains", "write the rule by hand");
    return false;
  }

  void add_domain(const std::string& pattern) {
    imported_.rule.domains.push_back(pattern);
    if (!pattern.starts_with("*.")) return;
    imported_.rule.domains.push_back(pattern.substr(2));
    imported_.implied.insert(pattern.substr(2));
    into_.remark_once(
        stronger("*.domain: the domain itself is in the rule, too, unless another connector names it",
                 "take it out where that is not meant"));
  }

  bool set_level() {
    PartnerRule& rule = imported_.rule;
    const std::string word = connector_.word("tlssettings"), settings = bare_word(word);
    if (settings.empty() || settings == "none" || settings == "null") {
      rule.level = PartnerLevel::opportunistic;
    } else if (settings == "encryptiononly") {
      rule.level = PartnerLevel::encrypt;
    } else if (settings == "certificatevalidation") {
      rule.level = PartnerLevel::verify;
      rule.names = PartnerRule::Names::mx;
      say(stronger(
          "CertificateValidation takes a certificate for any name; here it must name the mail host"));
    } else if (settings == "domainvalidation") {
      return set_names();
    } else {
      leave_out("TlsSettings '" + shown(word) +
                    "' is none of EncryptionOnly, CertificateValidation, DomainValidation",
                "export it with words: ConvertTo-Json -EnumsAsStrings");
      return false;
    }
    return true;
  }

  bool set_names() {
    PartnerRule& rule = imported_.rule;
    rule.level = PartnerLevel::verify;
    const std::string written = connector_.word("tlsdomain");
    const auto pattern = domain_pattern(written);
    if (!pattern || *pattern == "*") {
      leave_out("DomainValidation, and TlsDomain '" + shown(written) + "' is no domain",
                "write the rule by hand");
      return false;
    }
    if (!pattern->starts_with("*.")) {
      rule.names = PartnerRule::Names::literal;
      rule.literal_names = {*pattern};
      return true;
    }
    rule.names = PartnerRule::Names::mx;
    rule.mx = {*pattern};
    say(stronger("TlsDomain '" + shown(written) +
                     "' is said by mx: the mail host itself must be called so, one step below, "
                     "and its certificate must name it",
                 "see with 'sealpost policy probe' that the hosts are"));
    return true;
  }

  // Mail that is to go to named hosts alone must not go to whatever DNS names.
  void about_smart_hosts() {
    const auto written = connector_.list("smarthosts");
    if (written.empty() || is_on("usemxrecord")) return;
    std::vector<std::string> hosts;
    std::size_t others = 0;
    for (const std::string& word : written) {
      const auto host = host_name(text::trim(word, "[] "));
      if (host)
        hosts.push_back(*host);
      else
        ++others;
    }
    PartnerRule& rule = imported_.rule;
    std::string routes;
    for (const std::string& host : hosts) routes += (routes.empty() ? "[" : ", [") + host + "]";
    if (hosts.empty() || others > 0)
      say({Remark::Kind::left_out, 0, "",
           "goes to smart hosts by address, which a rule cannot name: until a [[route]] leads there mail "
           "goes "
           "to the domain's MX hosts",
           "write the [[route]]"});
    if (hosts.empty() || others > 0) return;
    const bool names_kept = rule.level < PartnerLevel::verify || rule.names != PartnerRule::Names::domain;
    const bool same = rule.mx.empty() && names_kept;
    if (same) rule.mx = hosts;
    if (same && rule.level < PartnerLevel::verify)
      rule.names = PartnerRule::Names::mx;  // as a file with mx reads
    say({Remark::Kind::left_out, 0, "",
         "goes to smart hosts: " + routes +
             (same ? "; mx lets mail go to these alone, so it waits until a [[route]] leads there" : ""),
         "write the [[route]]; take mx out if mail may go to the domain's own hosts"});
  }

  const Connector& connector_;
  Collector& into_;
  std::string name_;
  ImportedRule imported_;
};

}  // namespace

Expected<void> read_m365(std::string_view text, Collector& into) {
  const std::string_view begin = text::trim(text, " \t\r\n");
  const bool json = begin.starts_with('{') || begin.starts_with('[');
  const auto connectors = json ? from_json(text) : from_csv(text);
  if (!connectors) return connectors.error();
  const bool any = std::any_of(connectors->begin(), connectors->end(), [](const Connector& one) {
    return one.has("recipientdomains") || one.has("tlssettings");
  });
  if (!any)
    return Error(Errc::invalid,
                 "holds no outbound connector, which has RecipientDomains and TlsSettings; make it with "
                 "Get-OutboundConnector | ConvertTo-Json -Depth 5");
  for (const Connector& connector : *connectors) {
    into.count_entry();
    ConnectorReader(connector, into).read();
  }
  return {};
}

}  // namespace sealpost::importing
