// SPDX-License-Identifier: Apache-2.0
//
// What TLS-RPT costs: counting one session on a worker, the size of tlsrpt.db after days of traffic, and building a day's
// reports. One JSON line per part. docs/performance.md has the figures.
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <random>

#include "base/gzip.hpp"
#include "mail/message_id.hpp"
#include "tlsrpt/counting/certificates.hpp"
#include "tlsrpt/counting/db_recorder.hpp"
#include "tlsrpt/counting/retention.hpp"
#include "tlsrpt/sending/report.hpp"
#include "tlsrpt/sending/report_mail.hpp"

namespace {

using namespace sealpost;
using namespace sealpost::tlsrpt;

struct Options {
  std::string directory = "/tmp/sealpost-tlsrpt-bench";
  std::size_t sessions = 1'000'000, domains = 50'000;
  int days = 3;
};

double cpu_of_thread() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}
double wall() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
long peak_kb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}
long now_kb() {
  std::ifstream status("/proc/self/statm");
  long pages = 0, resident = 0;
  status >> pages >> resident;
  return resident * 4;
}
double megabytes(const std::string& path) {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 ? static_cast<double>(file.st_size) / 1e6 : 0;
}
void stop(const Error& error) {
  std::cerr << error.detail << '\n';
  std::exit(1);
}

constexpr auto first_day = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};

// A tenth of the domains has MTA-STS and DANE, three tenths MTA-STS, the rest nothing; every fiftieth fails, in two ways
// and from two of our addresses.
class Traffic {
 public:
  explicit Traffic(const Options& options) : options_(options) {}

  const SessionRecord& plan(std::size_t domain) {
    record_ = SessionRecord();
    record_.policy_domain = "partner-" + std::to_string(domain) + ".example";
    record_.mx_host = "mx" + std::to_string(domain % 2 + 1) + "." + record_.policy_domain;
    record_.mx_helo = record_.mx_host;
    record_.sending_ip = IpAddress::parse(domain % 3 == 0 ? "198.51.100.7" : "2001:db8:1::7");
    record_.receiving_ip = IpAddress::parse("192.0.2." + std::to_string(domain % 250));
    record_.facts.emplace();
    record_.facts->mx_host = record_.mx_host;
    record_.facts->starttls = StartTls::established;
    record_.facts->tls.version = TlsVersion::tls1_3;
    record_.facts->tls.cipher = "TLS_AES_256_GCM_SHA384";
    auto certificate = std::make_shared<CertificateFacts>();
    certificate->subject = "CN=" + record_.mx_host;
    certificate->issuer = "C=US, O=An Authority, CN=R10";
    certificate->certificate_sha256 = std::string(64, 'a');
    certificate->leaf_expires = first_day + std::chrono::days(60);
    record_.facts->tls.certificate = certificate;
    record_.judgement.verdict = Verdict::deliver;
    if (domain % 10 < 4) with_sts();
    if (domain % 10 == 0) with_dane();
    if (domain % 50 == 1) fail(domain % 100 == 1);
    return record_;
  }
  // As traffic is: few domains get much of it, and each gets some.
  std::size_t domain_of(std::size_t session) {
    if (session < options_.domains) return session;
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    return static_cast<std::size_t>(static_cast<double>(options_.domains - 1) * share * share * share);
  }

 private:
  void with_sts() {
    record_.sts.kind = StsState::Kind::policy;
    record_.sts.id = "20260101000000";
    record_.sts.policy.emplace();
    record_.sts.policy->mode = StsMode::enforce;
    record_.sts.policy->mx = {"mx1." + record_.policy_domain, "mx2." + record_.policy_domain};
    record_.sts.policy->lines = {"version: STSv1", "mode: enforce", "mx: mx1." + record_.policy_domain,
                                 "mx: mx2." + record_.policy_domain, "max_age: 604800"};
    DemandResult result;
    result.source = Source::mta_sts;
    record_.judgement.results.push_back(result);
  }
  void with_dane() {
    record_.dane.kind = DaneState::Kind::usable;
    record_.dane.base_domain = record_.mx_host;
    record_.dane.all = {TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(32, 1)),
                        TlsaRecord(3, 1, 1, std::vector<std::uint8_t>(32, 2))};
    DemandResult result;
    result.source = Source::dane;
    record_.judgement.results.push_back(result);
  }
  void fail(bool expired) {
    if (record_.judgement.results.empty()) {
      record_.facts->starttls = StartTls::not_offered;
      return;
    }
    DemandFailure failure;
    failure.result_type = expired ? "certificate-expired" : "certificate-host-mismatch";
    failure.reason_code = expired ? "X509_V_ERR_CERT_HAS_EXPIRED" : "X509_V_ERR_HOSTNAME_MISMATCH";
    record_.judgement.results.front().failures.push_back(failure);
    record_.judgement.verdict = Verdict::refuse;
  }

  const Options& options_;
  std::mt19937_64 random_{1};
  SessionRecord record_;
};

std::string fresh(const Options& options) {
  ::mkdir(options.directory.c_str(), 0700);
  const std::string path = options.directory + "/tlsrpt.db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  return path;
}

// What a worker does for a session: it copies what delivery keeps using, names the attempt, and hands over.
void count(const Options& options) {
  Traffic traffic(options);
  std::vector<SessionRecord> plans;
  for (std::size_t i = 0; i < 1000; ++i) plans.push_back(traffic.plan(i));
  auto store = Store::open(fresh(options));
  if (!store) stop(store.error());
  DbRecorder recorder(std::move(*store));
  constexpr std::size_t sessions = 150'000;  // below the recorder's backlog: dropping would be cheaper
  const SystemTime now = first_day;
  const double begin = cpu_of_thread();
  for (std::size_t i = 0; i < sessions; ++i) {
    const SessionRecord& plan = plans[i % plans.size()];
    SessionRecord record;
    record.attempt_id = "relay-" + MessageId::make(now).to_string();
    record.when = now;
    record.policy_domain = plan.policy_domain;
    record.sts = plan.sts;
    record.dane = plan.dane;
    record.facts = plan.facts;
    record.judgement = plan.judgement;
    record.skip = plan.skip;
    record.mx_host = plan.mx_host;
    record.mx_helo = plan.mx_helo;
    record.receiving_ip = plan.receiving_ip;
    record.sending_ip = plan.sending_ip;
    recorder.count(std::move(record));
  }
  const double microseconds = (cpu_of_thread() - begin) * 1e6 / sessions;
  std::cout << "{\"part\":\"count\",\"sessions\":" << sessions << ",\"cpu_us_per_session\":" << microseconds
            << ",\"dropped\":" << recorder.dropped() << "}\n";
}

// Days of traffic as the recorder would write them, folded per thousand sessions.
std::string size(const Options& options) {
  const std::string path = fresh(options);
  auto store = Store::open(path);
  if (!store) stop(store.error());
  Traffic traffic(options);
  double before = 0;
  for (int day = 0; day < options.days; ++day) {
    const double begin = wall();
    Tally tally;
    SeenCertificates seen;
    const auto write = [&] {
      if (auto added = store->add_folded(tally); !added) stop(added.error());
      if (auto kept = Certificates(*store).keep(seen); !kept) stop(kept.error());
      tally.clear();
      seen.clear();
    };
    for (std::size_t session = 0; session < options.sessions; ++session) {
      SessionRecord record = traffic.plan(traffic.domain_of(session));
      record.when = first_day + std::chrono::days(day);
      for (CountedEntry& entry : count_session(record)) fold(tally, std::move(entry));
      note_certificate(seen, record);
      if (session % 1000 == 999) write();
    }
    write();
    if (auto done = store->run("PRAGMA wal_checkpoint(TRUNCATE)"); !done) stop(done.error());
    const double now = megabytes(path);
    std::cout << "{\"part\":\"size\",\"day\":" << day + 1 << ",\"sessions\":" << options.sessions
              << ",\"domains\":" << options.domains << ",\"megabytes\":" << now
              << ",\"added\":" << now - before << ",\"seconds\":" << wall() - begin << "}\n"
              << std::flush;
    before = now;
  }
  return path;
}

// A day's reports, each read, built, written and packed by itself.
void build(const std::string& path) {
  auto store = Store::open(path);
  if (!store) stop(store.error());
  std::vector<std::string> domains;
  {
    auto query = store->statement("SELECT DISTINCT domain FROM policy WHERE day='2026-01-01'");
    if (!query) stop(query.error());
    while (sqlite3_step(query->get()) == SQLITE_ROW) domains.push_back(column_text(query->get(), 0));
  }
  ReportIdentity identity;
  identity.organization = "Bench";
  identity.contact = "tls@home.example";
  const long resident = now_kb();
  const double begin = wall(), cpu = cpu_of_thread();
  std::size_t octets = 0;
  for (const std::string& domain : domains) {
    const auto policies = store->policies("2026-01-01", domain);
    if (!policies) stop(policies.error());
    octets += gzip(to_text(build_report(identity, "2026-01-01", domain, *policies))).size();
  }
  std::cout << "{\"part\":\"build\",\"reports\":" << domains.size() << ",\"seconds\":" << wall() - begin
            << ",\"cpu_seconds\":" << cpu_of_thread() - cpu
            << ",\"packed_megabytes\":" << static_cast<double>(octets) / 1e6
            << ",\"resident_kb_before\":" << resident << ",\"resident_kb_after\":" << now_kb()
            << ",\"peak_kb\":" << peak_kb() << "}\n";
}

// The oldest day goes: the longest single step is what counting has to wait for.
void forget(const std::string& path) {
  auto store = Store::open(path);
  if (!store) stop(store.error());
  double longest = 0;
  const double begin = wall();
  const auto timed = [&](auto step) {
    for (bool more = true; more;) {
      const double at = wall();
      const auto done = step();
      if (!done) stop(done.error());
      more = *done;
      longest = std::max(longest, wall() - at);
    }
  };
  timed([&] { return forget_counted(*store, "2026-01-02", SystemTime{}, 2000); });
  const double rows = longest;
  timed([&] { return forget_unused_texts(*store); });
  timed([&] { return vacuum(*store, 2000); });
  if (auto done = store->run("PRAGMA wal_checkpoint(TRUNCATE)"); !done) stop(done.error());
  std::cout << "{\"part\":\"forget\",\"seconds\":" << wall() - begin << ",\"longest_step_of_rows\":" << rows
            << ",\"longest_step\":" << longest << ",\"megabytes\":" << megabytes(path) << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "What TLS-RPT costs: counting, size of the database, building a day's reports, forgetting one");
  app.add_option("--directory", options.directory, "Where tlsrpt.db is made")->capture_default_str();
  app.add_option("--sessions", options.sessions, "A day")->capture_default_str();
  app.add_option("--domains", options.domains)->capture_default_str();
  app.add_option("--days", options.days)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  count(options);
  const std::string path = size(options);
  build(path);
  forget(path);
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path + suffix).c_str());
  return 0;
}
