// SPDX-License-Identifier: Apache-2.0
#include "cli/sendmail.hpp"

#include <pwd.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>

#include "cli/command_line.hpp"
#include "cli/hand_over.hpp"
#include "cli/sendmail_options.hpp"
#include "config/config.hpp"
#include "mail/submission.hpp"
#include "partner/load_config.hpp"

namespace sealpost::cli {
namespace {

int refuse(const std::string& called, int code, const std::string& why) {
  std::cerr << called << ": " << why << '\n';
  return code;
}

struct Caller {
  std::string login = "unknown", full_name;
};

Caller this_user() {
  Caller user;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16384> space{};
  ::getpwuid_r(::getuid(), &entry, space.data(), space.size(), &found);
  if (found == nullptr) return user;
  user.login = found->pw_name;
  const std::string gecos = found->pw_gecos != nullptr ? found->pw_gecos : "";
  user.full_name = gecos.substr(0, gecos.find(','));
  return user;
}

// Where a client of this machine gets to: loopback first, then what is bound to every address, then the rest. Not where
// this machine is taken for a proxy, which speaks otherwise, nor where a password is asked for.
std::vector<Endpoint> listeners_from_here(const app::Config& config) {
  std::vector<std::pair<int, Endpoint>> ranked;
  for (const auto& listener : config.listeners) {
    if (!listener.relays()) continue;
    Endpoint at = listener.address;
    const bool any = at.address == IpAddress::v4({0, 0, 0, 0}) || at.address == *IpAddress::parse("::");
    if (any) at.address = *IpAddress::parse(at.address.is_v4() ? "127.0.0.1" : "::1");
    const bool proxied = std::any_of(listener.proxies.begin(), listener.proxies.end(),
                                     [&](const Network& network) { return network.contains(at.address); });
    if (!proxied) ranked.emplace_back(any ? 1 : at.address.is_loopback() ? 0 : 2, at);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Endpoint> listeners;
  for (const auto& [rank, at] : ranked) listeners.push_back(at);
  return listeners;
}

// False: it ended in an error, and what came so far is no whole message.
bool read_input(std::string& input) {
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    input.append(piece.data(), static_cast<std::size_t>(got));
  }
}

int send(const std::string& called, const SendmailOptions& options, const app::Config& config) {
  const Caller user = this_user();
  SubmissionFacts facts;
  facts.hostname = config.hostname;
  facts.postmaster = config.postmaster;
  facts.full_name = options.full_name.empty() ? user.full_name : options.full_name;
  facts.recipients = options.recipients;
  facts.recipients_in_header = options.recipients_in_header;
  facts.dot_ends = options.dot_ends;
  facts.now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const std::string typed = options.has_sender ? options.sender : user.login;
  if (!typed.empty()) {
    const auto sender = full_address(typed, config.hostname, "");
    if (!sender) return refuse(called, EX_DATAERR, "sender: " + sender.error().detail);
    facts.sender = *sender;
  }
  std::optional<SystemTime> not_before;
  if (!options.at.empty()) {
    const auto time = release_asked(options.at, facts.now);
    if (!time) return refuse(called, EX_USAGE, time.error().detail + "; nothing was sent");
    not_before = *time;
  }
  std::string input;
  if (!read_input(input))
    return refuse(called, EX_IOERR,
                  std::string("standard input: ") + std::strerror(errno) + "; nothing was sent");
  auto made = make_submission(input, facts);
  if (!made) return refuse(called, EX_DATAERR, made.error().detail + "; nothing was sent");

  Handover mail{config.hostname,
                facts.sender,
                std::move(made->recipients),
                std::move(made->message),
                options.notify,
                options.ret,
                options.envid,
                options.tls,
                not_before};
  const HandoverResult result = hand_over(listeners_from_here(config), mail);
  if (result.exit_code != EX_OK) return refuse(called, result.exit_code, result.words);
  if (options.verbose) std::cout << result.words << '\n';
  return EX_OK;
}

// Takes "-c FILE" and its like off the words in front of `sendmail`; false when another command follows.
bool named_by_word(std::vector<std::string>& words, std::string& config) {
  std::size_t at = 1;
  if (words.size() > at + 1 && (words[at] == "-c" || words[at] == "--config")) {
    config = words[at + 1];
    at += 2;
  } else if (words.size() > at && words[at].rfind("--config=", 0) == 0) {
    config = words[at].substr(std::strlen("--config="));
    ++at;
  }
  if (words.size() <= at || words[at] != "sendmail") return false;
  if (words.size() == at + 2 && (words[at + 1] == "--help" || words[at + 1] == "-h")) return false;
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(at));
  return true;
}

}  // namespace

std::optional<int> run_as_sendmail(std::vector<std::string>& words) {
  if (words.empty()) return std::nullopt;
  CommandLine line;
  std::string called = words.front().substr(words.front().rfind('/') + 1);
  const std::array<std::string_view, 3> names{"sendmail", "mailq", "newaliases"};
  if (std::find(names.begin(), names.end(), called) == names.end()) {
    if (!named_by_word(words, line.config)) return std::nullopt;
    called = "sendmail";
  }
  words.erase(words.begin());
  const auto options = read_sendmail_options(called, words);
  if (!options) return refuse(called, EX_USAGE, options.error().detail + "; see sealpost-sendmail(8)");
  switch (options->task) {
    case SendmailOptions::Task::nothing: return EX_OK;
    case SendmailOptions::Task::list_queue:
      words = {"sealpost", "queue", "list"};
      if (!line.config.empty()) words.insert(words.end(), {"--config", line.config});
      return std::nullopt;
    case SendmailOptions::Task::talk:
    case SendmailOptions::Task::send: break;
  }
  ::signal(SIGPIPE, SIG_IGN);
  // Its errors are for `sealpost check`: who mails needs the listeners and a name.
  const app::LoadResult loaded = app::load_config(line.config_file());
  const auto& listeners = loaded.config.listeners;
  if (std::none_of(listeners.begin(), listeners.end(), [](const auto& one) { return one.relays(); }))
    return refuse(called, EX_CONFIG,
                  listeners.empty()
                      ? "the configuration names no listener; `sealpost check` says more; nothing was sent"
                      : "the configuration names no listener with mode = \"relay\", which programs of this "
                        "machine need; nothing was sent");
  if (options->task == SendmailOptions::Task::talk) {
    const HandoverResult result = talk(listeners_from_here(loaded.config));
    return result.exit_code == EX_OK ? EX_OK : refuse(called, result.exit_code, result.words);
  }
  return send(called, *options, loaded.config);
}

}  // namespace sealpost::cli
