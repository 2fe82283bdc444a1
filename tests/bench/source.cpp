// SPDX-License-Identifier: Apache-2.0
//
// Load source: submits messages to a relay over many connections, as a client that knows PIPELINING (RFC
// 2920) does: MAIL, RCPT and DATA in one packet, the text in the next. Measures the time from the last byte
// of a message to its 250, and keeps a ledger of every recipient that was promised delivery by one. It
// survives the death of the relay and connects again, so the ledger of a crash test goes on where it was.
//
// Each message has one recipient, and no two messages share it; the last line of the text repeats its local
// part, so that the sink can tell lost, doubled and damaged messages apart.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "submitter.hpp"

namespace bench {
namespace {

void merge(Totals& all, const Totals& one) {
  all.accepted += one.accepted;
  all.refused += one.refused;
  all.in_doubt += one.in_doubt;
  all.lost_connections += one.lost_connections;
  if (one.first_submission != 0 && (all.first_submission == 0 || one.first_submission < all.first_submission))
    all.first_submission = one.first_submission;
  all.last_ack = std::max(all.last_ack, one.last_ack);
  all.ack_us.insert(all.ack_us.end(), one.ack_us.begin(), one.ack_us.end());
  if (!one.last_refusal.empty()) all.last_refusal = one.last_refusal;
}

nlohmann::json report(Totals& totals) {
  std::sort(totals.ack_us.begin(), totals.ack_us.end());
  const auto at = [&](double share) {
    if (totals.ack_us.empty()) return 0.0;
    const auto place = static_cast<std::size_t>(share * static_cast<double>(totals.ack_us.size() - 1));
    return totals.ack_us[place] / 1000.0;
  };
  return {{"accepted", totals.accepted},
          {"refused", totals.refused},
          {"in_doubt", totals.in_doubt},
          {"lost_connections", totals.lost_connections},
          {"last_refusal", totals.last_refusal},
          {"first_submission_ns", totals.first_submission},
          {"last_ack_ns", totals.last_ack},
          {"ack_ms", {{"p50", at(0.5)}, {"p99", at(0.99)}, {"max", at(1)}}},
          {"cpu_seconds", cpu_seconds()}};
}

int work(const Options& options) {
  Shared shared(options);
  if (!options.ledger.empty()) {
    shared.ledger = std::fopen(options.ledger.c_str(), "ae");
    if (shared.ledger == nullptr) throw std::runtime_error("cannot open the ledger " + options.ledger);
  }
  std::deque<Worker> workers;
  for (unsigned i = 0; i < options.threads; ++i) {
    const unsigned share = options.connections / options.threads;
    workers.emplace_back(shared, share + (i < options.connections % options.threads ? 1 : 0));
  }
  std::vector<std::thread> threads;
  for (Worker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  for (std::thread& thread : threads) thread.join();
  Totals totals;
  for (const Worker& worker : workers) merge(totals, worker.totals);
  if (shared.ledger != nullptr) std::fclose(shared.ledger);
  std::puts(report(totals).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return totals.accepted == options.messages ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Options options;
  CLI::App app(
      "Submits messages to a relay and prints one JSON object when done (or on SIGTERM).\n"
      "Exit code 0: every message got its 250.");
  app.add_option("--connect", options.connect, "ADDRESS:PORT of the relay")->capture_default_str();
  app.add_option("--messages", options.messages, "how many 250s to get")->capture_default_str();
  app.add_option("--connections", options.connections, "at the same time")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "each with its share of connections")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--size", options.size, "bytes of header and text")->capture_default_str();
  app.add_option("--domains", options.domains, "recipient domains, taken in turn")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--domain", options.domain, "recipient domain; % becomes its number")->capture_default_str();
  app.add_option("--per-connection", options.per_connection, "messages before QUIT; 0: as many as there are")
      ->capture_default_str();
  app.add_option("--ledger", options.ledger, "append every recipient whose message got 250, one a line");
  app.add_option("--run", options.run, "prefix of the message ids")->capture_default_str();
  app.add_flag("--starttls", options.starttls, "submit under TLS (the certificate is not judged)");
  app.add_flag("--tls", options.tls, "the same from the first octet");
  app.add_flag("--chunks", options.chunks, "BDAT instead of DATA");
  app.add_option("--auth", options.auth, "log in first, by this mechanism")
      ->check(CLI::IsMember({"PLAIN", "SCRAM-SHA-256"}));
  app.add_option("--user", options.user, "as whom");
  app.add_option("--password", options.password, "with which password");
  app.add_flag("--logins", options.logins,
               "no messages: sessions that log in and go, each of which counts as one");
  app.add_option("--give-up", options.give_up, "seconds without any 250 after which to stop")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGTERM, [](int) { bench::stopped = true; });
  ::signal(SIGINT, [](int) { bench::stopped = true; });
  ::signal(SIGPIPE, SIG_IGN);
  try {
    bench::raise_descriptor_limit();
    return bench::work(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "source: %s\n", error.what());
    return 2;
  }
}
