// SPDX-License-Identifier: Apache-2.0
#include "importing/postfix.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "importing/source.hpp"

namespace sealpost::importing {
namespace {

enum class Level : std::uint8_t { none, may, encrypt, dane, dane_only, fingerprint, verify, secure };
constexpr std::array<std::string_view, 8> level_words = {"none",      "may",         "encrypt", "dane",
                                                         "dane-only", "fingerprint", "verify",  "secure"};

struct Entry {
  unsigned line = 0;
  std::string key, value;
};

// postmap(1): a line that begins with blanks goes on with the one before; comments and empty lines do not end one.
std::vector<Entry> entries_of(std::string_view text) {
  std::vector<Entry> entries;
  for (const Line& line : lines_of(text)) {
    const std::string_view words = text::trim(line.text, " \t\f");
    if (words.empty() || words.front() == '#') continue;
    if ((line.text.front() == ' ' || line.text.front() == '\t') && !entries.empty()) {
      entries.back().value += " " + std::string(words);
      continue;
    }
    const std::size_t blank = words.find_first_of(" \t");
    Entry entry{line.number, std::string(words.substr(0, blank)), ""};
    if (blank != words.npos) entry.value = std::string(text::trim(words.substr(blank)));
    if (entry.key.size() > 1 && entry.key.front() == '"' && entry.key.back() == '"')
      entry.key = entry.key.substr(1, entry.key.size() - 2);
    entries.push_back(std::move(entry));
  }
  return entries;
}

struct Destination {
  std::string domain;  // as a rule has it
  bool relay = false;  // in brackets: no MX lookup
  bool port = false;
  bool below = false;  // ".noord.example"
};

// Null: no rule can name it.
std::optional<Destination> destination_of(std::string_view key) {
  Destination found;
  if (key.starts_with('[')) {
    const std::size_t end = key.find(']');
    if (end == key.npos) return std::nullopt;
    found.relay = true;
    found.port = end + 1 < key.size();
    if (found.port && key[end + 1] != ':') return std::nullopt;
    const auto host = host_name(key.substr(1, end - 1));
    if (!host) return std::nullopt;
    found.domain = *host;
    return found;
  }
  if (const std::size_t colon = key.find(':'); colon != key.npos) {
    if (key.find(':', colon + 1) != key.npos) return std::nullopt;  // an IPv6 address
    found.port = true;
    key = key.substr(0, colon);
  }
  found.below = key.starts_with('.');
  if (key.starts_with('*')) return std::nullopt;  // a table has no such key, so it was never found
  const auto domain = domain_pattern(key);
  if (!domain) return std::nullopt;
  found.domain = *domain;
  return found;
}

// What the certificate may name, as match= has it.
struct Matches {
  bool any = false, nexthop = false, dot_nexthop = false, hostname = false;
  std::vector<std::string> names, suffixes;  // suffixes without their dot
  std::vector<std::string> no_names;         // what is neither
};

Matches matches_of(const std::vector<std::string>& written) {
  Matches all;
  for (const std::string& list : written)
    for (std::string_view word : text::split(list, ':')) {
      word = text::trim(word);
      if (word.empty()) continue;
      all.any = true;
      if (text::iequals(word, "nexthop")) {
        all.nexthop = true;
      } else if (text::iequals(word, "dot-nexthop")) {
        all.dot_nexthop = true;
      } else if (text::iequals(word, "hostname")) {
        all.hostname = true;
      } else if (const auto name = host_name(word.starts_with('.') ? word.substr(1) : word)) {
        (word.starts_with('.') ? all.suffixes : all.names).push_back(*name);
      } else {
        all.no_names.emplace_back(word);
      }
    }
  return all;
}

class EntryReader {
 public:
  EntryReader(const Entry& entry, Collector& into) : entry_(entry), into_(into) {}

  void read() {
    const auto destination = destination_of(entry_.key);
    if (!destination) return leave_out(why_no_destination(), "write a rule for the domain or host by hand");
    to_ = *destination;
    if (!read_words()) return;
    imported_.line = entry_.line;
    imported_.rule.name = rule_name(entry_.key);
    imported_.rule.domains = {to_.domain};
    if (!set_level()) return;
    about_destination();
    about_protocols();
    about_ciphers();
    about_others();
    into_.add(std::move(imported_), entry_.key);
  }

 private:
  struct Attribute {
    std::string name, value;
  };

  void leave_out(std::string text, std::string remedy) {
    into_.remark(left_out(entry_.line, entry_.key, std::move(text), std::move(remedy)));
  }
  void say(Remark remark) { imported_.remarks.push_back(std::move(remark)); }

  std::string why_no_destination() const {
    if (entry_.key.starts_with('/')) return "is a regular expression, and rules name domains";
    return "is no domain, host or pattern that a rule can name";
  }

  // The level and its attributes. False: it has been left out.
  bool read_words() {
    std::vector<std::string> words;
    for (std::string& word : parts_at(entry_.value)) words.push_back(std::move(word));
    if (words.empty()) {
      leave_out("has no level", "");
      return false;
    }
    const auto found = std::find_if(level_words.begin(), level_words.end(), [&](std::string_view word) {
      return text::iequals(word, words.front());
    });
    if (found == level_words.end()) {
      leave_out("'" + shown(words.front()) + "' is no level of Postfix",
                "mend the entry, or write the rule by hand");
      return false;
    }
    level_ = static_cast<Level>(found - level_words.begin());
    for (std::size_t i = 1; i < words.size(); ++i)
      if (!read_attribute(words[i])) return false;
    return true;
  }

  bool read_attribute(const std::string& word) {
    constexpr std::array<std::string_view, 8> known = {
        "match", "protocols", "ciphers", "exclude", "tafile", "servername", "connection_reuse", "enable_rpk"};
    const std::size_t equals = word.find('=');
    const std::string name = text::lower(word.substr(0, equals));
    if (equals == word.npos || std::find(known.begin(), known.end(), name) == known.end()) {
      leave_out("'" + shown(word) + "' is no attribute that is known here, and may demand something",
                "mend the entry, or write the rule by hand");
      return false;
    }
    attributes_.push_back({name, word.substr(equals + 1)});
    return true;
  }

  // postconf(5): blanks or commas between the words.
  static std::vector<std::string> parts_at(std::string_view text) {
    std::vector<std::string> parts;
    for (const std::string_view piece : text::split(text, ' '))
      for (const std::string_view part : text::split(piece, ','))
        for (const std::string_view word : text::split(part, '\t'))
          if (!word.empty()) parts.emplace_back(word);
    return parts;
  }

  std::vector<std::string> values(std::string_view name) const {
    std::vector<std::string> all;
    for (const Attribute& one : attributes_)
      if (one.name == name) all.push_back(one.value);
    return all;
  }

  bool set_level() {
    PartnerRule& rule = imported_.rule;
    switch (level_) {
      case Level::none:
        rule.level = PartnerLevel::opportunistic;
        say(stronger("level none: here TLS is used where the host offers it",
                     "if its TLS is broken, write tls = \"none\" yourself"));
        return true;
      case Level::may: rule.level = PartnerLevel::opportunistic; return true;
      case Level::dane:
        rule.level = PartnerLevel::opportunistic;
        into_.remark_once(
            note("level dane: TLSA records are obeyed wherever they are published, without any rule; "
                 "such entries become tls = \"opportunistic\"",
                 "keep [dane] enabled, with a resolver that validates"));
        return true;
      case Level::encrypt: rule.level = PartnerLevel::encrypt; return true;
      case Level::dane_only: rule.level = PartnerLevel::dane; return true;
      case Level::fingerprint: return set_pins();
      case Level::verify: return set_names(false);
      case Level::secure: return set_names(true);
    }
    return false;
  }

  bool set_pins() {
    PartnerRule& rule = imported_.rule;
    rule.level = PartnerLevel::pin;
    std::size_t others = 0;
    for (const std::string& list : values("match"))
      for (const std::string_view print : text::split(list, '|')) {
        std::string digits(text::trim(print));
        std::erase(digits, ':');
        if (digits.empty()) continue;
        const auto octets = text::from_hex(digits);
        if (octets && octets->size() == 32)
          rule.pins.push_back(text::lower(digits));
        else
          ++others;
      }
    if (rule.pins.empty()) {
      leave_out(others > 0 ? "its fingerprints are not SHA-256 (64 digits), and rules take no other"
                           : "level fingerprint without match=",
                "ask the host: 'sealpost policy probe' prints its key for pins = [...]; until then nothing "
                "holds for it");
      return false;
    }
    if (others > 0) say(stronger("fingerprints that are not SHA-256 are not accepted any more"));
    say(
        stronger("Postfix takes a fingerprint for that of the certificate or of its public key; pins are of "
                 "public keys "
                 "alone",
                 "compare with the key that 'sealpost policy probe' prints: a certificate's fingerprint "
                 "never fits, and "
                 "mail would wait and come back"));
    return true;
  }

  bool set_names(bool secure) {
    PartnerRule& rule = imported_.rule;
    rule.level = PartnerLevel::verify;
    if (!values("tafile").empty()) {
      leave_out("tafile= trusts authorities of its own, and a rule cannot name any",
                "if the host has a certificate of a private authority, pin its key: tls = \"pin\" with what "
                "'sealpost policy "
                "probe' prints; until then nothing holds for it");
      return false;
    }
    Matches matches = matches_of(values("match"));
    if (!matches.any) {  // smtp_tls_verify_cert_match, smtp_tls_secure_cert_match
      matches.hostname = !secure;
      matches.nexthop = matches.dot_nexthop = secure;
      into_.remark_once(
          note(secure ? "level secure without match=: taken as nexthop, dot-nexthop, which is what "
                        "smtp_tls_secure_cert_match has by default"
                      : "level verify without match=: taken as hostname, which is what "
                        "smtp_tls_verify_cert_match has by default",
               "see what 'postconf' says of it"));
    }
    return choose_names(matches);
  }

  // Any of the names would have done; a rule takes those of one kind.
  bool choose_names(const Matches& matches) {
    PartnerRule& rule = imported_.rule;
    const bool others = !matches.names.empty() || !matches.suffixes.empty() || !matches.no_names.empty();
    if (matches.hostname) {
      rule.names = PartnerRule::Names::mx;
      if (others || matches.nexthop || matches.dot_nexthop)
        say(stronger("of the names in match= only that of the mail host counts here"));
      into_.remark_once(
          note("names = [\"mx\"]: the name of the mail host comes from DNS; where nobody signs that, whoever "
               "changes it chooses the host",
               "better list the hosts in mx = [...], or use names = [\"domain\"]"));
      return true;
    }
    if (matches.nexthop && matches.dot_nexthop && !others) {
      rule.names = PartnerRule::Names::domain;
      into_.remark_once(stronger(
          "nexthop, dot-nexthop: a certificate may name the domain or a host directly under it; Postfix "
          "takes hosts further below, too"));
      return true;
    }
    if (!matches.dot_nexthop && matches.suffixes.empty()) return choose_literal(matches);
    return choose_hosts(matches);
  }

  bool choose_literal(const Matches& matches) {
    PartnerRule& rule = imported_.rule;
    std::vector<std::string> names = matches.names;
    if (matches.nexthop && !to_.below) names.insert(names.begin(), to_.domain);
    if (names.empty()) return no_names();
    if ((matches.nexthop && to_.below) || !matches.no_names.empty())
      say(stronger("of the names in match= only those that are written out count here"));
    rule.names = PartnerRule::Names::literal;
    rule.literal_names = std::move(names);
    return true;
  }

  // Names below a domain: said by the hosts that may be used, each of which has to name itself.
  bool choose_hosts(const Matches& matches) {
    PartnerRule& rule = imported_.rule;
    rule.mx = matches.names;
    for (const std::string& suffix : matches.suffixes) rule.mx.push_back("*." + suffix);
    if (matches.nexthop && !to_.below) rule.mx.push_back(to_.domain);
    if (matches.dot_nexthop && !to_.below) rule.mx.push_back("*." + to_.domain);
    if (rule.mx.empty()) return no_names();
    rule.names = PartnerRule::Names::mx;
    say(
        stronger("names in match= that stand for many are said by mx: the mail host itself must be called "
                 "so, one step below, "
                 "and its certificate must name it",
                 "see with 'sealpost policy probe' that the hosts are"));
    return true;
  }

  bool no_names() {
    leave_out("what match= asks for cannot be said in a rule, and nothing that asks for no less",
              "write the rule by hand, with names or mx; until then nothing holds for it");
    return false;
  }

  bool demands() const { return imported_.rule.level >= PartnerLevel::encrypt; }

  void about_destination() {
    if (to_.relay)
      say(
          note("is a relay: the rule holds when a [[route]] leads there, and for mail addressed to the host "
               "itself",
               "write the route, where mail should go there"));
    if (to_.port) say(note("a rule holds for all ports"));
  }

  void about_protocols() {
    const auto written = values("protocols");
    if (written.empty()) return;
    constexpr std::array<std::string_view, 6> versions = {"sslv2",   "sslv3",   "tlsv1",
                                                          "tlsv1.1", "tlsv1.2", "tlsv1.3"};
    std::array<bool, 6> allowed{}, refused{};
    bool any_allowed = false;
    for (const std::string& list : written)
      for (const std::string_view piece : text::split(list, ':')) {
        const std::string_view word = text::trim(piece);
        if (word.empty()) continue;
        const bool at_least = word.starts_with(">="), at_most = word.starts_with("<="),
                   no = word.starts_with('!');
        const std::string name = text::lower(word.substr(at_least || at_most ? 2 : no ? 1 : 0));
        const auto found = std::find(versions.begin(), versions.end(), name);
        if (found == versions.end()) {
          into_.remark(left_out(entry_.line, entry_.key,
                                "protocols=: '" + shown(word) + "' is no version that is known here",
                                "write minimum = \"1.3\" into the rule, if that is meant"));
          continue;
        }
        const auto at = static_cast<std::size_t>(found - versions.begin());
        for (std::size_t i = 0; i < versions.size(); ++i) {
          refused[i] = refused[i] || (at_least && i < at) || (at_most && i > at) || (no && i == at);
          allowed[i] = allowed[i] || (!at_least && !at_most && !no && i == at);
        }
        any_allowed = any_allowed || (!at_least && !at_most && !no);
      }
    const auto may = [&](std::size_t i) { return !refused[i] && (!any_allowed || allowed[i]); };
    set_minimum(may(0) || may(1) || may(2) || may(3), may(4), may(5));
  }

  void set_minimum(bool older, bool tls1_2, bool tls1_3) {
    if (!demands()) {
      if (!tls1_2 && !older) say(note("protocols= asks nothing where clear text will do"));
      return;
    }
    if (!tls1_2 && tls1_3)
      imported_.rule.minimum = TlsVersion::tls1_3;
    else if (tls1_2 && !older)
      imported_.rule.minimum = TlsVersion::tls1_2;
    if (!tls1_2 && !tls1_3)
      say(stronger("protocols= allows none newer than TLS 1.1, and here none older than 1.2 is used"));
    else if (!tls1_3)
      say(note("protocols= leaves out TLS 1.3, which is used here where the host offers it"));
  }

  // What a session must have here anyway: ephemeral ECDH with an AEAD cipher (handshake_facts.hpp).
  static bool is_never_used(std::string_view cipher) {
    constexpr std::array<std::string_view, 32> never = {
        "anull", "enull", "null", "export", "exp",  "low",  "medium", "rc4",  "rc2", "des",  "3des",
        "md5",   "sha",   "sha1", "cbc",    "krsa", "rsa",  "dss",    "adss", "psk", "srp",  "camellia",
        "seed",  "idea",  "aria", "aesccm", "edh",  "kedh", "dhe",    "kdhe", "adh", "aecdh"};
    return std::any_of(never.begin(), never.end(),
                       [cipher](std::string_view one) { return text::iequals(one, cipher); });
  }

  void about_ciphers() {
    if (!demands()) return;
    for (const std::string& list : values("exclude"))
      for (const std::string_view cipher : text::split(list, ':'))
        if (!text::trim(cipher).empty() && !is_never_used(text::trim(cipher)))
          into_.remark(left_out(entry_.line, entry_.key,
                                "exclude=" + shown(cipher) +
                                    ": a rule says nothing of single ciphers; the rule is there without it",
                                "only ephemeral ECDH with AES-GCM or ChaCha20 counts as encrypted here"));
  }

  void about_others() {
    const auto set = [&](std::string_view name) { return !values(name).empty(); };
    const bool names = level_ == Level::verify || level_ == Level::secure || level_ == Level::fingerprint;
    if (!names && (set("match") || set("tafile"))) say(note("match= and tafile= ask nothing at this level"));
    if (set("servername"))
      say(note("servername= is not carried over: hosts are asked for by their own name"));
    for (const std::string& value : values("enable_rpk"))
      if (is_yes(value)) say(note("enable_rpk=: raw public keys are not used here; hosts show certificates"));
    if (set("connection_reuse")) say(note("connection_reuse= is not carried over: it demands nothing"));
  }

  const Entry& entry_;
  Collector& into_;
  Destination to_;
  Level level_ = Level::may;
  std::vector<Attribute> attributes_;
  ImportedRule imported_;
};

}  // namespace

void read_postfix(std::string_view text, Collector& into) {
  for (const Entry& entry : entries_of(text)) {
    into.count_entry();
    EntryReader(entry, into).read();
  }
}

}  // namespace sealpost::importing
