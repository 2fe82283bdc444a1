// SPDX-License-Identifier: Apache-2.0
//
// What the ledger costs by itself: CPU and octets for each recipient, how fast it is verified and asked.
//   ledger_bench DIRECTORY [--messages 1000000] [--days 10] [--batch 200]
// --batch: messages in one transaction. A message has one recipient, is delivered, and each hundredth is deferred first; one session in fifty
// has a proof that was not there before.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "keys/key_file.hpp"
#include "ledger/follower.hpp"
#include "ledger/questions.hpp"
#include "ledger/statement.hpp"
#include "ledger/verify.hpp"

using namespace sealpost;
using namespace sealpost::ledger;
using Clock = std::chrono::steady_clock;

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

double since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

std::string address_of(std::uint64_t number) {
  return fmt::format("user.{}@customer-{}.example", number % 400'000, number % 3'000);
}

MessageId message_id(std::uint64_t number, SystemTime when) {
  return MessageId::derive(MessageId(), std::to_string(number), when);
}

spool::ProofTextPtr proof_of(std::uint64_t number) {
  auto proof = std::make_shared<spool::ProofText>();
  proof->text = fmt::format(
      R"({{"v":1,"domain":"customer-{0}.example","mx":"mx1.customer-{0}.example","partner":"partner-{2}","asked":"mta-sts:enforce","tls":{{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384"}},"verified":"verified","verdict":"deliver","serial":{1}}})",
      number % 3'000, number / 150'000, number % 10);
  const std::string digest = sha256_octets(proof->text);
  std::copy(digest.begin(), digest.end(), proof->digest.begin());
  return proof;
}

void add_message(std::vector<spool::JournalEntry>& entries, std::uint64_t number, SystemTime when) {
  const MessageId id = message_id(number, when);
  spool::MessageRecord taken;
  taken.envelope.reverse_path = fmt::format("app{}@home.example", number % 50);
  taken.envelope.recipients.emplace_back(address_of(number));
  taken.envelope.arrival = when;
  taken.envelope.received_from = fmt::format("app{}.home.example ([192.0.2.{}])", number % 50, number % 50);
  const std::string digest = sha256_octets(std::to_string(number));
  std::copy_n(digest.begin(), 16, taken.envelope.message_id.begin());
  spool::JournalEntry entry;
  entry.id = id;
  entry.record = std::move(taken);
  entries.push_back(std::move(entry));
  const auto proof = proof_of(number);
  for (const bool last : {false, true}) {
    if (!last && number % 100 != 0) continue;
    spool::OutcomeRecord ended;
    ended.outcome.id = id;
    ended.outcome.when = when + std::chrono::seconds(1);
    auto answer = std::make_shared<spool::Answer>();
    answer->status = "2.0.0";
    answer->host = fmt::format("mx1.customer-{}.example", number % 3'000);
    answer->address = fmt::format("198.51.{}.{}", number % 100, number % 250);
    ended.outcome.recipients.emplace_back(
        0, last ? spool::RecipientState::delivered : spool::RecipientState::pending,
        fmt::format("250 2.0.0 Ok: queued as {}", sha256_hex(std::to_string(number)).substr(0, 10)), answer,
        proof);
    spool::JournalEntry outcome;
    outcome.id = id;
    outcome.record = std::move(ended);
    entries.push_back(std::move(outcome));
  }
}

template <class Ask>
void timed(const char* what, Ask ask) {
  std::vector<double> milliseconds;
  for (unsigned i = 0; i < 20; ++i) {
    const auto begun = Clock::now();
    ask(i);
    milliseconds.push_back(since(begun) * 1000);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  fmt::print("{}: {:.1f} ms median, {:.1f} ms most\n", what, milliseconds[10], milliseconds[19]);
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory;
  std::uint64_t messages = 1'000'000, days = 10, batch = 200;
  CLI::App app{"What the ledger costs"};
  app.add_option("DIRECTORY", directory)->required();
  app.add_option("--messages", messages)->capture_default_str();
  app.add_option("--days", days)->capture_default_str();
  app.add_option("--batch", batch)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  log::configure(2, log::Format::text, log::Level::error);
  std::filesystem::create_directories(directory);
  const std::string key = directory + "/ledger.key", path = directory + "/ledger.db";
  if (!make_key_file(key)) return 1;
  StoreOptions options;
  options.path = path;
  options.signer = [key]() -> Expected<Signer> {
    auto loaded = keys::FileSource().load(key, keys::Use::signing);
    return loaded ? signer_of(*loaded) : Expected<Signer>(loaded.error());
  };
  const SystemTime begin = *from_rfc3339("2026-11-01T00:00:00Z");
  const auto step = std::chrono::microseconds(days * 86'400'000'000ULL / messages);
  double spent = 0, made = 0;
  const auto begun = Clock::now();
  {
    LedgerFollower follower(Store(std::move(options)), 0);
    spool::Cursor next;
    next.node = 1;
    for (std::uint64_t at = 0; at < messages; at += batch) {
      const double before = cpu_seconds();
      std::vector<spool::JournalEntry> entries;
      for (std::uint64_t i = at; i < std::min(messages, at + batch); ++i)
        add_message(entries, i, begin + step * static_cast<std::int64_t>(i));
      const double ready = cpu_seconds();
      next.position.segment = 1 + at / 1000;
      if (const auto done = follower.apply(entries, next); !done) {
        fmt::print(stderr, "{}\n", done.error().detail);
        return 1;
      }
      made += ready - before;
      spent += cpu_seconds() - ready;
    }
  }
  fmt::print("{} recipients in {:.1f} s; {:.2f} us of CPU for each, {:.0f} octets\n", messages, since(begun),
             spent * 1e6 / static_cast<double>(messages),
             static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(messages));
  auto reader = Reader::open(path);
  const auto checked = Clock::now();
  const auto found = verify(*reader, {});
  const double seconds = since(checked);
  fmt::print("verified {} rows, {}: {:.0f} rows/s\n", found->rows, found->whole() ? "whole" : "BROKEN",
             static_cast<double>(found->rows) / seconds);
  timed("trace by id", [&](std::uint64_t i) {
    Questions questions(*reader);
    const std::uint64_t number = i * (messages / 21) + 7;
    if (questions.trail(message_id(number, begin + step * static_cast<std::int64_t>(number)))->empty())
      fmt::print(stderr, "not found\n");
  });
  timed("by recipient", [&](std::uint64_t i) {
    Questions questions(*reader);
    if (questions.for_recipient(address_of(i * 1000 + 3), "", "", 1000)->empty())
      fmt::print(stderr, "not found\n");
  });
  timed("statement of one partner in ten, all days", [&](std::uint64_t i) {
    StatementQuestion question;
    question.partner = "partner-" + std::to_string(i % 10);
    question.from = "2026-11-01";
    question.to = "2026-12-31";
    if (const auto statement = statement_of(*reader, question); !statement || statement->total.delivered == 0)
      fmt::print(stderr, "nothing counted\n");
  });
  return 0;
}
