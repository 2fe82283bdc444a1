// SPDX-License-Identifier: Apache-2.0
#include "publishing/own_domain.hpp"

#include <algorithm>
#include <deque>

#include "base/text.hpp"
#include "dns/host_addresses.hpp"
#include "publishing/spf.hpp"
#include "publishing/sts_item.hpp"
#include "publishing/tlsa_item.hpp"
#include "route/dane_lookup.hpp"
#include "tlsrpt/sending/discovery.hpp"

namespace sealpost::publishing {
namespace {

constexpr std::size_t most_hosts = 10;  // MX hosts that are looked at, as for a delivery
constexpr std::size_t most_senders = 16;
constexpr std::uint16_t smtp_port = 25;

std::string to_text(const dns::Mx& mx) {
  return std::to_string(mx.preference) + " " + text::printable(mx.exchange, 260) + ".";
}

// A record to be published again, whole and as it is: one that was cut or rewritten for people to read is another record.
// Nothing: it has octets that belong in no such record, nor on a terminal.
std::vector<std::string> as_it_is(const std::string& record) {
  if (text::printable(record, record.size() + 3) != record) return {};
  return {record};
}

bool lets_everybody(const std::vector<std::string>& records) {
  const auto terms =
      records.empty() ? Expected<std::vector<SpfTerm>>(std::vector<SpfTerm>()) : parse_spf(records.front());
  return terms && std::any_of(terms->begin(), terms->end(), [](const SpfTerm& term) {
           return term.name == "all" && term.qualifier == '+';
         });
}

// One survey: tasks beside each other, each of which fills in its own items.
class Survey {
 public:
  Survey(event::Loop& loop, dns::Resolver& resolver, sts::PolicyFetcher& fetcher, OwnDomain own)
      : loop_(loop), resolver_(resolver), fetcher_(fetcher), own_(std::move(own)) {}

  event::Task<std::vector<Item>> run() {
    exchanges_ = co_await resolver_.query_fresh(own_.domain, dns::RrType::mx);
    look_at_exchanges();
    event::TaskScope scope(loop_);
    scope.spawn(ask_sts_record(place()));
    scope.spawn(ask_sts_policy(place()));
    scope.spawn(ask_tls_rpt(place()));
    for (const DkimSigner& signer : own_.signers) scope.spawn(ask_key(place(), signer));
    if (own_.signers.empty()) place() = no_key();
    scope.spawn(ask_spf(place()));
    for (const std::string& host : mx_.hosts) scope.spawn(ask_tlsa(place(), host));
    place() = dnssec();
    co_await scope.join();
    std::vector<Item> items;
    for (Item& item : items_)
      if (!item.what.empty()) items.push_back(std::move(item));
    co_return items;
  }

 private:
  Item& place() { return items_.emplace_back(); }

  bool takes_mail() const noexcept { return !no_mail_; }

  // RFC 5321 §5.1, RFC 7505.
  void look_at_exchanges() {
    Item& item = place();
    item = Item("MX hosts", own_.domain, "MX");
    const dns::Answer& answer = *exchanges_;
    std::vector<dns::Mx> exchanges = answer.mx;  // DNS has no order, and who looks again wants the same
    std::ranges::sort(exchanges, {}, [](const dns::Mx& mx) { return std::pair(mx.preference, mx.exchange); });
    for (const dns::Mx& mx : exchanges) item.found.push_back(to_text(mx));
    switch (answer.status) {
      case dns::Status::failed:
        item.why = "the lookup failed: " + answer.why;
        item.remedy = "see that the domain's name servers answer, and the relay's resolver ([dns] servers)";
        return;
      case dns::Status::nxdomain:
        item.state = State::absent;
        item.why = "the domain does not exist in DNS";
        item.remedy = "is it written right? Then register it, or put its zone in order";
        no_mail_ = true;
        return;
      case dns::Status::no_data:
        item.state = State::absent;
        item.why = "mail goes to the domain's own address, if it has one";
        item.remedy =
            "publish MX records of the hosts that take mail; or '0 .', when the domain takes none (RFC 7505)";
        mx_.hosts = {own_.domain};
        mx_.known = true;
        return;
      case dns::Status::found: break;
    }
    item.state = State::ok;
    mx_.known = true;
    for (const dns::Mx& mx : exchanges)
      if (!mx.exchange.empty() && mx_.hosts.size() < most_hosts) mx_.hosts.push_back(mx.exchange);
    no_mail_ = mx_.hosts.empty();
    if (no_mail_)
      item.why = "the domain takes no mail (RFC 7505), so nothing is published for those who send to it";
  }

  Item dnssec() const {
    Item item("Signed zone", own_.domain, "DNSSEC");
    if (resolver_.dane_mode() != dns::DaneMode::on) {
      item.optional = true;
      item.why = "nothing is known of DNSSEC here: " + text::printable(resolver_.dane_why());
      item.remedy = "let the relay ask a validating resolver on its own machine ([dns] servers)";
    } else if (exchanges_->status == dns::Status::failed) {
      item.why = "the lookup failed: " + exchanges_->why;
    } else if (exchanges_->dnssec == dns::Dnssec::secure) {
      item.state = State::ok;
    } else {
      item.state = State::absent;
      item.optional = true;
      item.why = "who tampers with DNS can lead mail elsewhere, and TLSA records count for nothing";
      item.remedy = "have the zone signed, and its DS record put into the zone above it";
    }
    return item;
  }

  Item no_key() const {
    Item item("DKIM key", own_.domain, "TXT");
    item.state = State::absent;
    item.optional = true;
    item.why = "this relay has no key for the domain, so it signs none of its mail";
    item.remedy = "name one in [dkim] or [[dkim.also]]";
    return item;
  }

  event::Task<void> ask_sts_record(Item& into) {
    if (!takes_mail()) co_return;
    const dns::AnswerPtr answer = co_await resolver_.query_fresh("_mta-sts." + own_.domain, dns::RrType::txt);
    into = judge_sts_record(*answer, own_.domain, own_.now);
  }

  event::Task<void> ask_sts_policy(Item& into) {
    if (!takes_mail()) co_return;
    const auto fetched = co_await fetcher_.fetch(own_.domain);
    into = judge_sts_policy(fetched, own_.domain, mx_);
  }

  event::Task<void> ask_tls_rpt(Item& into) {
    if (!takes_mail()) co_return;
    const dns::AnswerPtr answer =
        co_await resolver_.query_fresh("_smtp._tls." + own_.domain, dns::RrType::txt);
    Item item("TLS-RPT record", "_smtp._tls." + own_.domain, "TXT");
    const std::string mail = own_.reports_to.empty() ? "" : "mailto:" + own_.reports_to;
    const std::string between = mail.empty() || own_.reports_url.empty() ? "" : ",";
    item.publish = {"v=TLSRPTv1; rua=" + mail + between + own_.reports_url};
    for (const std::string& record : answer->texts) item.found.push_back(text::printable(record));
    const TlsRptRecordSet records = parse_tls_rpt_records(answer->texts);
    if (answer->status == dns::Status::failed) {
      item.why = "the lookup failed: " + answer->why;
    } else if (records.kind == TlsRptRecordSet::Kind::none) {
      item.state = State::absent;
      item.why = "nobody tells the domain when mail to it cannot be protected";
      item.remedy = "publish this record; 'sealpost report read' reads what comes";
    } else if (records.kind == TlsRptRecordSet::Kind::invalid || records.targets.empty()) {
      item.state = State::differs;
      item.why =
          records.why.empty() ? "no address in it can be used" : "senders take it for none: " + records.why;
      for (const std::string& each : records.passed_over) item.why += "; " + each;
      item.remedy = "publish one record in this form";
    } else {
      item.state = State::ok;
      item.publish.clear();
      for (const std::string& record : answer->texts)
        if (parse_tls_rpt_records({record}).kind == TlsRptRecordSet::Kind::valid)
          item.publish = as_it_is(record);
    }
    into = std::move(item);
  }

  event::Task<void> ask_key(Item& into, DkimSigner signer) {
    const dns::AnswerPtr answer = co_await resolver_.query_fresh(key_record_name(signer), dns::RrType::txt);
    into = judge_key_record(*answer, signer, own_.keys_sign);
  }

  event::Task<void> ask_spf(Item& into) {
    Item item("SPF record", own_.domain, "TXT");
    const dns::AnswerPtr answer = co_await resolver_.query_fresh(own_.domain, dns::RrType::txt);
    const std::vector<std::string> records = spf_records(answer->texts);
    for (const std::string& record : records) item.found.push_back(text::printable(record, 1000));
    if (own_.senders.empty()) {
      const dns::Families both;
      const dns::HostAddresses ours = co_await dns::look_up_addresses(resolver_, own_.hostname, both);
      own_.senders = ours.addresses;
    }
    if (own_.senders.size() > most_senders) own_.senders.resize(most_senders);
    if (answer->status == dns::Status::failed)
      item.why = "the lookup failed: " + answer->why;
    else if (own_.senders.empty())
      item.why = "which addresses mail leaves from is not known: this machine has no public one, and " +
                 text::printable(own_.hostname, 260) + " (hostname) has none in DNS";
    else
      co_await judge_senders(item, records);
    if (own_.senders.empty() && item.state == State::unknown) item.remedy = "say which, with --address";
    into = std::move(item);
  }

  event::Task<void> judge_senders(Item& item, const std::vector<std::string>& records) {
    std::vector<IpAddress> lacking;
    std::string trouble;
    SpfResult worst = SpfResult::pass;
    for (const IpAddress& address : own_.senders) {
      SpfCheck check(resolver_, address);
      const SpfVerdict verdict = co_await check.check(own_.domain);
      if (verdict.result == SpfResult::pass) continue;
      lacking.push_back(address);
      if (worst == SpfResult::pass) {
        worst = verdict.result;
        trouble = verdict.why;
      }
    }
    publish_spf(item, records, lacking);
    std::string addresses;
    for (const IpAddress& address : lacking)
      addresses += (addresses.empty() ? "" : ", ") + address.to_string();
    switch (worst) {
      case SpfResult::pass:
        item.state = State::ok;
        if (lets_everybody(records)) {
          item.state = State::differs;
          item.why = "it lets everybody send mail of this domain (+all)";
          item.remedy = "end it with ~all, or -all";
        }
        co_return;
      case SpfResult::none:
        item.state = State::absent;
        item.why = "receivers cannot tell our mail from forged mail";
        item.remedy = "publish this record, with whatever else sends mail of this domain in it";
        co_return;
      case SpfResult::temperror:
      case SpfResult::unclear: item.why = "for " + addresses + ": " + trouble; co_return;
      case SpfResult::permerror:
        item.state = State::differs;
        item.why = "receivers cannot use it: " + trouble;
        item.remedy = "put the record right";
        co_return;
      case SpfResult::fail:
      case SpfResult::softfail:
      case SpfResult::neutral:
        item.state = State::differs;
        item.why = "mail leaves from " + addresses + ", for which it says " + std::string(name_of(worst)) +
                   " (" + trouble + ")";
        item.remedy = "publish it with these addresses";
        co_return;
    }
  }

  // The record as it is, with what it lacks in front: the first term that fits decides.
  void publish_spf(Item& item, const std::vector<std::string>& records,
                   const std::vector<IpAddress>& lacking) const {
    std::string added;
    for (const IpAddress& address : lacking)
      added += (address.is_v4() ? " ip4:" : " ip6:") + address.to_string();
    if (records.size() == 1) {
      for (const std::string& record : as_it_is(records.front()))
        item.publish = {"v=spf1" + added + record.substr(6)};
    } else if (records.empty())
      item.publish = {"v=spf1" + std::string(mx_.hosts.empty() ? "" : " mx") + added + " ~all"};
  }

  event::Task<void> ask_tlsa(Item& into, std::string name) {
    const dns::Families both;
    const dns::HostAddresses found = co_await dns::look_up_addresses(resolver_, name, both);
    TlsaHost host;
    host.name = name;
    host.domain = own_.domain;
    host.vouched = found.secure;
    host.ours = name == own_.hostname ||
                std::any_of(found.addresses.begin(), found.addresses.end(), [&](const IpAddress& address) {
                  const auto& ours = own_.listens_on;
                  return std::find(ours.begin(), ours.end(), address) != ours.end();
                });
    if (own_.listener_keys) host.keys = own_.listener_keys(name);
    delivery::NextHop hop;
    hop.domain = own_.domain;
    delivery::MxSet mx;
    mx.dnssec = exchanges_->dnssec;
    mx.expanded = exchanges_->canonical;
    mx.implicit = exchanges_->mx.empty();
    delivery::HostAddresses addresses;
    addresses.secure = found.secure;
    addresses.canonical = found.canonical.empty() ? name : found.canonical;
    const DaneState dane = co_await delivery::find_dane(resolver_, hop, mx, name, addresses);
    if (dane.kind == DaneState::Kind::none && !found.secure) {
      const std::string owner = "_" + std::to_string(smtp_port) + "._tcp." + name;
      const dns::AnswerPtr answer = co_await resolver_.query(owner, dns::RrType::tlsa);
      host.ignored = !answer->tlsa.empty();
    }
    into = judge_tlsa(dane, host);
    if (found.status == dns::Status::found || found.status == dns::Status::failed) co_return;
    into.state = State::differs;
    into.optional = false;
    into.why = text::printable(name, 260) + " is an MX host and has no address: no mail gets there";
    into.remedy = "give it one, or take it out of the MX records";
  }

  event::Loop& loop_;
  dns::Resolver& resolver_;
  sts::PolicyFetcher& fetcher_;
  OwnDomain own_;
  dns::AnswerPtr exchanges_;
  StsHosts mx_;
  bool no_mail_ = false;
  std::deque<Item> items_;  // tasks keep references
};

}  // namespace

event::Task<std::vector<Item>> survey_domain(event::Loop& loop, dns::Resolver& resolver,
                                             sts::PolicyFetcher& fetcher, OwnDomain own) {
  Survey survey(loop, resolver, fetcher, std::move(own));
  std::vector<Item> items = co_await survey.run();
  co_return items;
}

}  // namespace sealpost::publishing
