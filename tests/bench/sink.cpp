// SPDX-License-Identifier: Apache-2.0
//
// Load sink: a next hop that takes everything, cheaply, and says what it took. It can also misbehave by
// chance: defer, reject, greylist, drop the connection or answer late (reception.hpp).
//
// It obeys lines on standard input, so that whoever started it controls it and it ends with them:
//   status   one JSON object on standard output
//   reset    the counters start again from zero; answers with status
//   quit     (or end of input) last status, then exit

#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "reception.hpp"

namespace bench {
namespace {

nlohmann::json status(const Tally& tally) {
  return {{"messages", tally.messages.load()},
          {"recipients", tally.recipients.load()},
          {"bytes", tally.bytes.load()},
          {"connections", tally.connections.load()},
          {"encrypted_connections", tally.encrypted_connections.load()},
          {"resumed", tally.resumed.load()},
          {"deferred", tally.deferred.load()},
          {"rejected", tally.rejected.load()},
          {"damaged", tally.damaged.load()},
          {"last_delivery_ns", tally.last_delivery.load()},
          {"cpu_seconds", cpu_seconds()}};
}

int obey(Reception& reception) {
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    reception.flush_record();
    if (line == "reset") reception.tally.reset();
    std::cout << status(reception.tally) << std::endl;
  }
  reception.flush_record();
  std::cout << status(reception.tally) << std::endl;
  return 0;
}

int work(const SinkOptions& options) {
  Reception reception(options);
  std::vector<std::unique_ptr<Receiver>> receivers;
  for (unsigned i = 0; i < options.threads; ++i) receivers.push_back(std::make_unique<Receiver>(reception));
  // Receivers run until the process ends: there is nothing a sink would have to save.
  for (auto& receiver : receivers) std::thread([&receiver] { receiver->run(); }).detach();
  std::cout << nlohmann::json{{"ready", true}} << std::endl;
  const int result = obey(reception);
  std::_Exit(result);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::SinkOptions options;
  CLI::App app("Takes mail and counts it. Commands on standard input: status, reset, quit.");
  app.add_option("--listen", options.listen, "ADDRESS:PORT, may be repeated; 0.0.0.0:25 takes every address")
      ->required();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--hostname", options.hostname, "for greeting and EHLO")->capture_default_str();
  app.add_option("--certificate", options.certificate, "PEM file; with --key it offers STARTTLS");
  app.add_option("--key", options.key, "PEM file");
  app.add_option("--record", options.record,
                 "append a line per recipient taken: address, TLS version, whole|damaged");
  app.add_option("--defer", options.defer, "share of recipients answered 451")->check(CLI::Range(0.0, 1.0));
  app.add_option("--reject", options.reject, "share of recipients answered 550")->check(CLI::Range(0.0, 1.0));
  app.add_option("--drop", options.drop,
                 "share of messages after whose last byte the connection is cut, unanswered")
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--greylist", options.greylist, "answer every recipient 451 the first time");
  app.add_option("--delay", options.delay_ms, "milliseconds before the answer to a message")
      ->check(CLI::Range(0, 600000));
  app.add_option("--late", options.late_ms,
                 "milliseconds that every reply is late, as on a long way; those to commands sent together "
                 "come together")
      ->check(CLI::Range(0, 600000));
  app.add_option("--seed", options.seed, "of the chances above")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  try {
    bench::raise_descriptor_limit();
    return bench::work(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sink: %s\n", error.what());
    return 2;
  }
}
