// SPDX-License-Identifier: Apache-2.0
#include "importing/collector.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "partner/partner_file.hpp"
#include "rules/partner_text.hpp"
#include "rules/rule_change.hpp"

namespace sealpost::importing {
namespace {

constexpr std::size_t longest_rule_name = 80;  // a partner file takes 100; a number may come behind

std::string at_line(unsigned line) { return "line " + std::to_string(line); }

// The first error the reader of partner files has with the rule.
std::string wrong_with(const PartnerRule& rule, SystemTime now) {
  const auto read = app::read_partner_text(rules::partner_text(rule), "import", now);
  for (const app::Finding& finding : read.findings)
    if (finding.kind == app::Finding::Kind::error) return finding.key + ": " + finding.message;
  return read.rules.size() == 1 ? "" : "makes no rule";
}

void each_once(std::vector<std::string>& texts) {
  std::set<std::string> known;
  std::erase_if(texts, [&known](const std::string& text) { return !known.insert(text).second; });
}

// As they demand once they are enforced: on trial no rule demands anything, and the weaker would do.
rules::FloorChange compared(PartnerRule first, PartnerRule second, SystemTime now) {
  if (first.audit && second.audit) first.audit = second.audit = false;
  return rules::compare_rules(&first, &second, now, TlsVersion::none, TlsVersion::none);
}

bool hold_together(const PartnerRule& a, const PartnerRule& b) {
  return !(a.ends && b.starts && *a.ends <= *b.starts) && !(b.ends && a.starts && *b.ends <= *a.starts);
}

bool holds_as_long(const PartnerRule& rule, const PartnerRule& as) {
  return (!rule.starts || (as.starts && *rule.starts <= *as.starts)) &&
         (!rule.ends || (as.ends && *rule.ends >= *as.ends));
}

}  // namespace

std::string shown(std::string_view foreign) { return text::printable(text::trim(foreign), 100); }

std::string rule_name(std::string_view foreign) {
  std::string name;
  bool blank = false;
  for (foreign = text::trim(foreign); !foreign.empty();) {
    const text::Utf8Unit unit = text::decode_utf8(foreign);
    const bool plain = unit.well_formed && unit.code > 0x20 && (unit.code < 0x7f || unit.code >= 0xa0);
    if (name.size() + unit.length + 1 > longest_rule_name) break;
    if (plain) {
      if (blank && !name.empty()) name += ' ';
      name += foreign.substr(0, unit.length);
    }
    blank = !plain;
    foreign.remove_prefix(unit.length);
  }
  return name.empty() ? "unnamed" : name;
}

std::optional<std::string> host_name(std::string_view written) {
  written = text::trim(written);
  if (written.ends_with('.')) written.remove_suffix(1);
  if (IpAddress::parse(written)) return std::nullopt;
  if (const auto name = to_a_labels(written)) return *name;
  if (is_lenient_domain_name(written)) return text::lower(written);
  return std::nullopt;
}

std::optional<std::string> domain_pattern(std::string_view written) {
  written = text::trim(written);
  if (written == "*") return "*";
  const bool below = written.starts_with("*.") || written.starts_with('.');
  if (below) written.remove_prefix(written.front() == '.' ? 1 : 2);
  const auto name = host_name(written);
  if (!name) return std::nullopt;
  return (below ? "*." : "") + *name;
}

Remark note(std::string text, std::string remedy) {
  return {Remark::Kind::note, 0, "", std::move(text), std::move(remedy)};
}
Remark stronger(std::string text, std::string remedy) {
  return {Remark::Kind::stronger, 0, "", std::move(text), std::move(remedy)};
}
Remark left_out(unsigned line, std::string_view key, std::string text, std::string remedy) {
  return {Remark::Kind::left_out, line, shown(key), std::move(text), std::move(remedy)};
}

void Collector::remark(Remark remark) {
  too_many_ = too_many_ || import_.remarks.size() >= most_domains;
  if (!too_many_) import_.remarks.push_back(std::move(remark));
}

void Collector::remark_once(Remark remark) {
  const bool said = std::any_of(import_.remarks.begin(), import_.remarks.end(),
                                [&](const Remark& one) { return one.line == 0 && one.text == remark.text; });
  remark.line = 0;
  if (!said) import_.remarks.push_back(std::move(remark));
}

void Collector::add(ImportedRule imported, std::string_view key) {
  for (Remark& remark : imported.remarks) {
    if (remark.line == 0) remark.line = imported.line;
    if (remark.key.empty()) remark.key = shown(key);
  }
  imported.rule.line = imported.line;
  if (options_.audit) imported.rule.audit = true;
  if (imported.rule.owner.empty()) imported.rule.owner = options_.owner;
  if (imported.rule.reference.empty()) imported.rule.reference = options_.reference;
  for (auto* list :
       {&imported.rule.domains, &imported.rule.mx, &imported.rule.literal_names, &imported.rule.pins})
    each_once(*list);
  domains_ += imported.rule.domains.size();
  too_many_ = too_many_ || import_.rules.size() >= most_entries || domains_ > most_domains;
  if (too_many_) return;
  import_.rules.push_back(std::move(imported));
  keys_.push_back(shown(key));
}

// What could not be read back must not be written.
bool Collector::is_right(ImportedRule& imported) {
  const std::string wrong = wrong_with(imported.rule, options_.now);
  if (wrong.empty()) return true;
  const auto at = static_cast<std::size_t>(&imported - import_.rules.data());
  remark(left_out(imported.line, keys_[at], "makes no rule: " + text::printable(wrong, 400),
                  "mend it in the source, or write the rule by hand"));
  for (Remark& one : imported.remarks) remark(std::move(one));
  return false;
}

void Collector::give_up(ImportedRule& imported, std::string_view domain) {
  std::erase(imported.rule.domains, domain);
  if (const auto found = imported.implied.find(domain); found != imported.implied.end())
    imported.implied.erase(found);
}

// Both name the domain in so many words. `one` came first.
void Collector::settle(std::size_t one, std::size_t other, const std::string& domain) {
  ImportedRule& first = import_.rules[one];
  ImportedRule& second = import_.rules[other];
  const auto change = compared(first.rule, second.rule, options_.now);
  const bool same = change.weaker.empty() && change.stronger.empty();
  const bool latter = same ? !holds_as_long(first.rule, second.rule) : change.weaker.empty();
  const std::string both =
      "'" + domain + "' is in " + at_line(first.line) + " and in " + at_line(second.line);
  Remark said = note(both + ", and both ask for the same");
  if (latter && !same)
    said = stronger(both + "; the latter asks for more, and holds", "see which of them is meant");
  else if (!change.weaker.empty() && change.stronger.empty())
    said = note(both + "; the former asks for more, and holds", "see which of them is meant");
  else if (!change.weaker.empty())
    said = left_out(0, "", both + ", and neither asks for all that the other does; the former holds",
                    "see what is meant, and mend the rule by hand");
  if (!holds_as_long(latter ? second.rule : first.rule, latter ? first.rule : second.rule))
    said = left_out(0, "",
                    both + "; the " + (latter ? "latter" : "former") + " holds, and not as long as the other",
                    "see what is meant, and mend starts and ends");
  give_up(latter ? first : second, domain);
  said.line = second.line;
  said.key = keys_[other];
  remark(std::move(said));
}

void Collector::share_domains() {
  std::map<std::string, std::vector<std::size_t>> owners;  // several where one ends before the other starts
  for (const bool implied : {false, true})
    for (std::size_t i = 0; i < import_.rules.size(); ++i) {
      const std::vector<std::string> domains = import_.rules[i].rule.domains;
      for (const std::string& domain : domains)
        if (import_.rules[i].implied.contains(domain) == implied) take(i, domain, owners[domain]);
    }
}

// The rule has the domain, unless one of those that have it already keeps it.
void Collector::take(std::size_t at, const std::string& domain, std::vector<std::size_t>& owners) {
  const auto names = [&](std::size_t rule) {
    const auto& all = import_.rules[rule].rule.domains;
    return std::find(all.begin(), all.end(), domain) != all.end();
  };
  for (const std::size_t owner : owners) {
    const bool is_named = !import_.rules[owner].implied.contains(domain);
    if (is_named && import_.rules[at].implied.contains(domain)) return give_up(import_.rules[at], domain);
    if (!hold_together(import_.rules[owner].rule, import_.rules[at].rule)) continue;
    settle(owner, at, domain);
    if (!names(at)) return;
  }
  std::erase_if(owners, [&](std::size_t owner) { return !names(owner); });
  owners.push_back(at);
}

// Rules that lost all domains, and those that are none; what was to say of them stays.
void Collector::drop_empty() {
  std::vector<ImportedRule> kept;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < import_.rules.size(); ++i) {
    ImportedRule& imported = import_.rules[i];
    if (imported.rule.domains.empty()) continue;  // another rule says it, and a remark why
    if (!is_right(imported)) continue;
    kept.push_back(std::move(imported));
    keys.push_back(std::move(keys_[i]));
  }
  import_.rules = std::move(kept);
  keys_ = std::move(keys);
}

void Collector::name_apart() {
  std::set<std::string> taken;
  std::map<std::string, unsigned> last;
  for (ImportedRule& imported : import_.rules) {
    std::string name = imported.rule.name;
    while (!taken.insert(name).second)
      name =
          imported.rule.name + " " + std::to_string(++last.try_emplace(imported.rule.name, 1).first->second);
    imported.rule.name = std::move(name);
  }
}

Expected<Import> Collector::finish() {
  if (too_many_)
    return Error(Errc::too_long, "makes more than " + std::to_string(most_entries) +
                                     " rules, or names more than " + std::to_string(most_domains) +
                                     " domains; import it in parts");
  name_apart();
  share_domains();
  drop_empty();
  return std::move(import_);
}

}  // namespace sealpost::importing
