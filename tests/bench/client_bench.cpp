// SPDX-License-Identifier: Apache-2.0
//
// What the SMTP client costs by itself, on one thread: messages delivered to a sink, CPU of this process alone.
//   client_bench ADDRESS:PORT [--sessions 32] [--messages 200000] [--size 4096] [--recipients 1] [--tls]
//                [--per-connection 0] [--no-resume]
// --per-connection: messages on a connection before it is closed and made anew; 0: all on one.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "event/event_loop.hpp"
#include "event/run.hpp"
#include "event/socket_stream.hpp"
#include "smtp/client_session.hpp"
#include "tls/openssl_client.hpp"

namespace sealpost {
namespace {

struct Plan {
  std::string target;
  unsigned sessions = 32;
  std::uint64_t messages = 200000;
  std::size_t size = 4096;
  unsigned recipients = 1;
  bool tls = false;
  std::uint64_t per_connection = 0;
  bool no_resume = false;
};

class Body final : public spool::BodyReader {
 public:
  explicit Body(std::string_view body) : left_(body) {}
  event::Task<Expected<std::string_view>> next() override {
    const std::string_view piece = left_.substr(0, 262144);
    left_.remove_prefix(piece.size());
    co_return piece;
  }

 private:
  std::string_view left_;
};

struct Run {
  explicit Run(const Plan& plan_) : plan(plan_), left(plan_.messages) {
    auto stored = std::make_shared<spool::StoredMessage>();
    stored->envelope.reverse_path = "sender@source.example";
    for (unsigned i = 0; i < plan.recipients; ++i) {
      stored->envelope.recipients.emplace_back("recipient" + std::to_string(i) + "@target.example");
    }
    stored->size = plan.size;
    message = stored;
    body = "Subject: measured\r\n\r\n";
    while (body.size() + 72 < plan.size) body += std::string(70, 'x') + "\r\n";
    body += std::string(plan.size - body.size() - 2, 'y') + "\r\n";
  }

  const Plan& plan;
  std::uint64_t left;
  std::uint64_t delivered = 0;
  std::uint64_t failed = 0;
  std::uint64_t resumed = 0;
  std::uint64_t connections = 0;
  spool::StoredMessagePtr message;
  std::string body;
  smtp::ClientLimits limits;
  event::EventLoop loop;
  std::unique_ptr<tls::OpensslClient> tls;
};

event::Task<std::unique_ptr<smtp::ClientSession>> open(Run& run) {
  event::SocketConnector connector(run.loop);
  auto stream = co_await connector.connect(*Endpoint::parse(run.plan.target), std::chrono::seconds(5));
  if (!stream) co_return nullptr;
  auto session = std::make_unique<smtp::ClientSession>(std::move(*stream), "client.example", run.limits);
  auto opened = co_await session->open(true);
  if (!opened) co_return nullptr;
  ++run.connections;
  if (!run.plan.tls) co_return session;
  tls::ClientOptions options;
  options.server_name = "target.example";
  if (!run.plan.no_resume) options.session_key = "one";
  auto started = co_await session->start_tls(*run.tls, std::move(options));
  if (!started || started->starttls != StartTls::established) co_return nullptr;
  if (started->tls.resumed) ++run.resumed;
  co_return session;
}

event::Task<void> deliver(Run& run) {
  std::unique_ptr<smtp::ClientSession> session;
  std::uint64_t on_it = 0;
  while (run.left > 0) {
    --run.left;
    if (!session) {
      session = co_await open(run);
      on_it = 0;
      if (!session) {
        ++run.failed;
        co_return;
      }
    }
    smtp::Transaction transaction;
    transaction.message = run.message;
    for (std::uint32_t i = 0; i < run.plan.recipients; ++i) transaction.recipients.push_back(i);
    auto reader = std::make_unique<Body>(run.body);
    auto result = co_await session->transact(std::move(transaction), std::move(reader));
    if (result.final && result.final->positive()) {
      ++run.delivered;
    } else {
      ++run.failed;
    }
    if (session->broken() || ++on_it == run.plan.per_connection) {
      co_await session->quit();
      session.reset();
    }
  }
  if (session) co_await session->quit();
}

event::Task<void> all(event::TaskScope& scope) { co_await scope.join(); }

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int measure(int argc, char** argv) {
  Plan plan;
  CLI::App app("What the SMTP client costs.");
  app.add_option("target", plan.target, "ADDRESS:PORT of a sink")->required();
  app.add_option("--sessions", plan.sessions)->capture_default_str();
  app.add_option("--messages", plan.messages)->capture_default_str();
  app.add_option("--size", plan.size)->check(CLI::Range(200, 1 << 30))->capture_default_str();
  app.add_option("--recipients", plan.recipients)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--per-connection", plan.per_connection)->capture_default_str();
  app.add_flag("--tls", plan.tls);
  app.add_flag("--no-resume", plan.no_resume);
  CLI11_PARSE(app, argc, argv);

  Run run(plan);
  if (plan.tls) {
    auto trust = std::make_shared<const tls::TrustStore>(X509StorePtr(X509_STORE_new()), 0, std::string());
    run.tls = std::move(*tls::OpensslClient::create(std::move(trust)));
  }
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  const auto start = std::chrono::steady_clock::now();
  event::TaskScope scope(run.loop);
  for (unsigned i = 0; i < plan.sessions; ++i) scope.spawn(deliver(run));
  event::run_until_done(run.loop, all(scope));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  const double user = seconds(after.ru_utime) - seconds(before.ru_utime);
  const double kernel = seconds(after.ru_stime) - seconds(before.ru_stime);
  const auto count = static_cast<double>(std::max<std::uint64_t>(run.delivered, 1));
  fmt::print(
      "{} delivered, {} failed, {} connections ({} resumed), {:.0f}/s, CPU {:.1f} us each ({:.1f} user, "
      "{:.1f} system)\n",
      run.delivered, run.failed, run.connections, run.resumed, count / took.count(),
      (user + kernel) * 1e6 / count, user * 1e6 / count, kernel * 1e6 / count);
  return run.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) { return sealpost::measure(argc, argv); }
