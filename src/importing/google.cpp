// SPDX-License-Identifier: Apache-2.0
#include "importing/google.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "importing/source.hpp"
#include "mail/address.hpp"

namespace sealpost::importing {
namespace {

using GoogleDemand = ImportOptions::GoogleDemand;
constexpr std::size_t domains_of_a_rule = 500;

template <std::size_t N>
std::optional<std::size_t> column(const std::vector<std::string>& heading,
                                  const std::array<std::string_view, N>& names) {
  for (std::size_t i = 0; i < heading.size(); ++i)
    if (std::find(names.begin(), names.end(), heading[i]) != names.end()) return i;
  return std::nullopt;
}

class ListReader {
 public:
  ListReader(const ImportOptions& options, Collector& into) : options_(options), into_(into) {}

  Expected<void> read(const std::vector<Row>& rows) {
    if (rows.empty()) return Error(Errc::invalid, "holds no domain");
    const bool headed = read_heading(rows.front());
    for (std::size_t i = headed ? 1 : 0; i < rows.size(); ++i) read_row(rows[i]);
    about_list();
    for (auto& [demand, lists] : by_demand_)
      for (ImportedRule& rule : lists) into_.add(std::move(rule), "");
    return {};
  }

 private:
  bool read_heading(const Row& row) {
    std::vector<std::string> heading;
    for (const std::string& cell : row.cells) heading.push_back(bare_word(cell));
    const auto where =
        column(heading, std::array<std::string_view, 10>{"address", "addresses", "domain", "domains", "email",
                                                         "emailaddress", "emailaddressordomain",
                                                         "emailordomain", "addressordomain", "domainname"});
    if (!where) return false;
    address_ = *where;
    tls_ = column(heading, std::array<std::string_view, 3>{"requiretls", "tls", "requiresecuretransport"});
    certificate_ =
        column(heading, std::array<std::string_view, 4>{"requirecasignedcertificate", "casignedcertificate",
                                                        "requireca", "casigned"});
    hostname_ =
        column(heading, std::array<std::string_view, 4>{"validatecertificatehostname", "validatehostname",
                                                        "certificatehostname", "hostname"});
    return true;
  }

  static std::optional<std::string> cell(const Row& row, std::optional<std::size_t> at) {
    if (!at || *at >= row.cells.size() || row.cells[*at].empty()) return std::nullopt;
    return row.cells[*at];
  }

  // A column that is there counts for its rows, the option for the others.
  GoogleDemand demand_of(const Row& row) {
    const auto hostname = cell(row, hostname_), certificate = cell(row, certificate_);
    if (hostname && is_yes(*hostname)) return GoogleDemand::hostname;
    if (hostname && certificate) return is_yes(*certificate) ? GoogleDemand::certificate : GoogleDemand::tls;
    guessed_ = guessed_ || !options_.google;
    return options_.google.value_or(GoogleDemand::hostname);
  }

  void read_row(const Row& row) {
    into_.count_entry();
    const std::string written = address_ < row.cells.size() ? row.cells[address_] : "";
    if (const auto tls = cell(row, tls_); tls && !is_yes(*tls)) {
      Remark said = note("the setting requires nothing of it");
      said.line = row.line;
      said.key = shown(written);
      return into_.remark(std::move(said));
    }
    const bool address = written.find('@') != written.npos;
    const auto pattern = domain_pattern(address ? after_at(written) : std::string_view(written));
    if (!pattern || (*pattern == "*" && address))
      return into_.remark(
          left_out(row.line, written, "is no domain", "mend it in the source, or write the rule by hand"));
    ImportedRule& rule = rule_for(demand_of(row), row.line);
    rule.rule.domains.push_back(*pattern);
    if (address) {
      Remark said = stronger("is one address, and a rule is for all of its domain");
      said.line = row.line;
      said.key = shown(written);
      rule.remarks.push_back(std::move(said));
    }
    if (!is_pattern(*pattern)) {
      rule.rule.domains.push_back("*." + *pattern);
      rule.implied.insert("*." + *pattern);
      below_ = true;
    }
  }

  ImportedRule& rule_for(GoogleDemand demand, unsigned line) {
    auto& lists = by_demand_[demand];
    if (lists.empty() || lists.back().rule.domains.size() >= 2 * domains_of_a_rule) {
      ImportedRule fresh;
      fresh.line = line;
      fresh.rule.name = "Google TLS compliance";
      if (demand == GoogleDemand::tls) {
        fresh.rule.level = PartnerLevel::encrypt;
        fresh.rule.name += ", TLS";
      } else {
        fresh.rule.level = PartnerLevel::verify;
        fresh.rule.names = PartnerRule::Names::mx;
        if (demand == GoogleDemand::certificate) fresh.rule.name += ", certificate";
      }
      lists.push_back(std::move(fresh));
    }
    return lists.back();
  }

  void about_list() {
    if (guessed_)
      into_.remark_once(
          stronger("the list does not say what the setting requires; taken as a CA-signed certificate with "
                   "the host's name, "
                   "the most it can",
                   "say --require tls, certificate or hostname, as the setting has it"));
    if (by_demand_.contains(GoogleDemand::certificate))
      into_.remark_once(stronger("a CA-signed certificate for any name: here it must name the mail host"));
    if (below_)
      into_.remark_once(
          stronger("what lies below a listed domain is in the rule, too, unless it is listed itself",
                   "take out \"*.\" where that is not meant"));
    if (by_demand_.contains(GoogleDemand::certificate) || by_demand_.contains(GoogleDemand::hostname))
      into_.remark_once(
          note("names = [\"mx\"]: the name of the mail host comes from DNS; where nobody signs that, whoever "
               "changes it "
               "chooses the host",
               "better list the hosts in mx = [...]"));
  }

  const ImportOptions& options_;
  Collector& into_;
  std::size_t address_ = 0;
  std::optional<std::size_t> tls_, certificate_, hostname_;
  std::map<GoogleDemand, std::vector<ImportedRule>> by_demand_;
  bool guessed_ = false, below_ = false;
};

}  // namespace

Expected<void> read_google(std::string_view text, const ImportOptions& options, Collector& into) {
  const auto rows = rows_of(text);
  if (!rows) return rows.error();
  return ListReader(options, into).read(*rows);
}

}  // namespace sealpost::importing
