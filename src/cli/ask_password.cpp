// SPDX-License-Identifier: Apache-2.0
#include "cli/ask_password.hpp"

#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>

namespace sealpost::cli {
namespace {

constexpr std::size_t longest_line = 4096;
constexpr std::array signals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
volatile sig_atomic_t caught = 0;

void note(int signal) { caught = signal; }

// The terminal shows nothing while this lives, and shows again whatever ends it: signals wait for that. They come only while
// something is waited for (wait()), so that none comes between a look and a read.
class Unseen {
 public:
  Unseen() noexcept {
    caught = 0;
    struct sigaction action {};
    action.sa_handler = note;  // without SA_RESTART: read() ends
    ::sigemptyset(&action.sa_mask);
    sigset_t held;
    ::sigemptyset(&held);
    for (const int signal : signals) ::sigaddset(&held, signal);
    ::sigprocmask(SIG_BLOCK, &held, &mask_);
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &action, &before_[i]);
    ::tcgetattr(STDIN_FILENO, &shown_);
    termios hidden = shown_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    hidden.c_lflag |= ECHONL;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  ~Unseen() {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown_);
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
    if (caught != 0) ::raise(caught);
  }
  // False: a signal came first.
  bool wait() const noexcept {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (caught == 0)
      if (::ppoll(&input, 1, nullptr, &mask_) > 0) return true;
    return false;
  }

 private:
  sigset_t mask_{};
  termios shown_{};
  std::array<struct sigaction, signals.size()> before_{};
};

// Octet by octet: what follows the line is for whoever reads next, and no buffer keeps a copy.
Expected<auth::Secret> read_line(const Unseen* terminal) {
  std::string line;
  line.reserve(longest_line + 1);
  const auth::WipeAtEnd wiped(line);
  for (;;) {
    if (terminal != nullptr && !terminal->wait()) return Error(Errc::closed, "given up");
    char c = 0;
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error(Errc::io, std::string("standard input: ") + std::strerror(errno));
    if (got == 0 && line.empty()) return Error(Errc::closed, "there is no password on standard input");
    if (got == 0 || c == '\n') break;
    if (line.size() == longest_line) return Error(Errc::too_long, "the line is too long for a password");
    line += c;
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return auth::Secret(line);
}

Expected<auth::Secret> asked(const std::string& question) {
  const Unseen unseen;  // before the question: who answers fast is not seen either
  std::cerr << question << std::flush;
  return read_line(&unseen);
}

}  // namespace

Expected<auth::Secret> ask_password(const std::string& for_whom) {
  if (::isatty(STDIN_FILENO) == 0)
    return Error(Errc::not_found, "there is no terminal to ask for the password at");
  auto first = asked("Password for " + for_whom + ": ");
  if (!first) return first;
  const auto second = asked("Once more: ");
  if (!second) return second.error();
  if (!(*first == *second)) return Error(Errc::invalid, "the two passwords are not the same");
  return first;
}

Expected<auth::Secret> read_password() { return read_line(nullptr); }

}  // namespace sealpost::cli
