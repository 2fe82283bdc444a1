// SPDX-License-Identifier: Apache-2.0
#include "cli/hand_over.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/handles.hpp"
#include "event/sockaddr.hpp"
#include "mail/xtext.hpp"
#include "sealpost/expected.hpp"
#include "smtp/dot_stuffing.hpp"
#include "smtp/extensions.hpp"
#include "smtp/reply_parser.hpp"

namespace sealpost::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto restart_time = 20s;
constexpr timeval silence{600, 0};  // RFC 5321 §4.5.3.2.6: as long as the reply to the final dot may take
constexpr const char* kept_by_nobody = "; nothing was sent, try again";

Expected<FileDescriptor> connect_once(const std::vector<Endpoint>& listeners) {
  Error last(Errc::invalid, "the configuration has no listener");
  for (const Endpoint& listener : listeners) {
    const event::SockAddr address(listener);
    FileDescriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd && ::connect(fd.get(), address.get(), address.size()) == 0) {
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence);
      return fd;
    }
    last =
        Error(Errc::unavailable, "no relay answers on " + listener.to_string() + ": " + std::strerror(errno));
  }
  return last;
}

Expected<FileDescriptor> connect_to(const std::vector<Endpoint>& listeners) {
  const auto end = std::chrono::steady_clock::now() + restart_time;
  for (;;) {
    auto fd = connect_once(listeners);
    if (fd || fd.error().code == Errc::invalid || std::chrono::steady_clock::now() >= end) return fd;
    std::this_thread::sleep_for(500ms);
  }
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::write(fd, text.data(), text.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// What the relay refused, or how the dialogue broke.
HandoverResult failed(const std::string& at, const smtp::Reply& reply) {
  return {reply.permanent() ? EX_UNAVAILABLE : EX_TEMPFAIL,
          "the relay refused " + at + ": " + reply.to_string() +
              (reply.permanent() ? "; nothing was sent" : kept_by_nobody)};
}

class Dialogue {
 public:
  explicit Dialogue(FileDescriptor fd) : fd_(std::move(fd)) {}

  Expected<smtp::Reply> ask(const std::string& command) {
    if (!write_all(fd_.get(), command + "\r\n")) return lost();
    return reply();
  }
  bool send(std::string_view data) { return write_all(fd_.get(), data); }

  Expected<smtp::Reply> reply() {
    smtp::ReplyParser parser;
    for (;;) {
      const auto line = next_line();
      if (!line) return line.error();
      const auto state = parser.add(*line);
      if (state == smtp::ReplyParser::State::failed) return parser.error();
      if (state == smtp::ReplyParser::State::done) return parser.take();
    }
  }

 private:
  static Error lost() {
    return Error(Errc::io, std::string("the connection was lost: ") + std::strerror(errno));
  }

  Expected<std::string> next_line() {
    for (;;) {
      if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
        std::string line = buffer_.substr(0, end > 0 && buffer_[end - 1] == '\r' ? end - 1 : end);
        buffer_.erase(0, end + 1);
        return line;
      }
      if (buffer_.size() > smtp::longest_reply_line) return Error(Errc::protocol, "a line without an end");
      std::array<char, 4096> piece{};
      const ssize_t got = ::read(fd_.get(), piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) return Error(Errc::io, "the relay closed the connection");
      if (got < 0) return lost();
      buffer_.append(piece.data(), static_cast<std::size_t>(got));
    }
  }

  FileDescriptor fd_;
  std::string buffer_;
};

bool beyond_ascii(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 127; });
}

std::string mail_command(const Handover& mail, const smtp::Extensions& offered) {
  std::string command = "MAIL FROM:<" + mail.sender + ">";
  if (offered.eight_bit_mime && beyond_ascii(mail.message)) command += " BODY=8BITMIME";
  if (offered.dsn && !mail.ret.empty()) command += " RET=" + mail.ret;
  if (offered.dsn && !mail.envid.empty()) command += " ENVID=" + to_xtext(mail.envid);
  if (mail.tls != TlsNeed::none) command.append(" XTLS=").append(name_of(mail.tls));
  if (mail.not_before) command += " HOLDUNTIL=" + to_rfc3339(*mail.not_before);
  return command;
}

HandoverResult broken(const Error& error, const char* then = kept_by_nobody) {
  return {EX_TEMPFAIL, error.detail + then};
}

}  // namespace

HandoverResult hand_over(const std::vector<Endpoint>& listeners, const Handover& mail) {
  auto fd = connect_to(listeners);
  if (!fd)
    return {fd.error().code == Errc::invalid ? EX_CONFIG : EX_TEMPFAIL, fd.error().detail + kept_by_nobody};
  Dialogue relay(std::move(*fd));
  const auto greeting = relay.reply();
  if (!greeting) return broken(greeting.error());
  if (!greeting->positive()) return failed("us", *greeting);
  const auto hello = relay.ask("EHLO " + mail.hostname);
  if (!hello) return broken(hello.error());
  if (!hello->positive()) return failed("EHLO " + mail.hostname, *hello);

  const smtp::Extensions offered = smtp::read_ehlo(*hello);
  if (offered.rcpt_max && mail.recipients.size() > *offered.rcpt_max)  // in parts it could come twice to some
    return {EX_UNAVAILABLE,
            std::to_string(mail.recipients.size()) + " recipients, and the relay takes at most " +
                std::to_string(*offered.rcpt_max) +
                " for one message (limits.recipients); nothing was sent: hand it in in parts"};

  // What is asked for is no wish that may be left out.
  if (mail.tls != TlsNeed::none && !offered.xtls)
    return {EX_UNAVAILABLE, "the relay does not offer XTLS, which --tls needs; nothing was sent"};
  if (mail.not_before && !offered.future_release)
    return {EX_UNAVAILABLE, "the relay does not offer FUTURERELEASE, which --at needs; nothing was sent"};

  const auto from = relay.ask(mail_command(mail, offered));
  if (!from) return broken(from.error());
  if (!from->positive()) return failed("sender <" + mail.sender + ">", *from);
  const bool notify = !mail.notify.empty() && offered.dsn;
  for (const std::string& recipient : mail.recipients) {
    const auto to = relay.ask("RCPT TO:<" + recipient + ">" + (notify ? " NOTIFY=" + mail.notify : ""));
    if (!to) return broken(to.error());
    if (!to->positive()) return failed("recipient <" + recipient + ">", *to);
  }
  const auto data = relay.ask("DATA");
  if (!data) return broken(data.error());
  if (!data->intermediate()) return failed("DATA", *data);

  smtp::DotStuffer stuffer;
  std::string octets;
  octets.reserve(mail.message.size() + mail.message.size() / 64 + 16);
  stuffer.append(mail.message, octets);
  octets += stuffer.finish();
  if (!relay.send(octets)) return broken(Error(Errc::io, "the connection was lost within the message"));
  const auto taken = relay.reply();
  if (!taken)
    return broken(taken.error(),
                  " after the whole message: it may have been taken; try again, at worst it comes twice");
  if (!taken->positive()) return failed("the message", *taken);
  const auto said = relay.ask("QUIT");  // what comes now changes nothing
  (void)said;
  return {EX_OK, taken->to_string()};
}

HandoverResult talk(const std::vector<Endpoint>& listeners) {
  auto fd = connect_to(listeners);
  if (!fd) return {EX_TEMPFAIL, fd.error().detail + kept_by_nobody};
  std::array<pollfd, 2> ends{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{fd->get(), POLLIN, 0}};
  std::array<char, 65536> piece{};
  for (;;) {
    if (::poll(ends.data(), ends.size(), -1) < 0 && errno != EINTR) return {EX_OSERR, std::strerror(errno)};
    if (ends[0].revents != 0) {
      const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
      if (got <= 0) {
        ::shutdown(fd->get(), SHUT_WR);
        ends[0].fd = -1;
      } else if (!write_all(fd->get(), {piece.data(), static_cast<std::size_t>(got)})) {
        return {EX_TEMPFAIL, "the relay closed the connection"};
      }
    }
    if (ends[1].revents != 0) {
      const ssize_t got = ::read(fd->get(), piece.data(), piece.size());
      if (got < 0) return {EX_TEMPFAIL, std::string("the connection was lost: ") + std::strerror(errno)};
      if (got == 0) return {EX_OK, ""};
      if (!write_all(STDOUT_FILENO, {piece.data(), static_cast<std::size_t>(got)}))
        return {EX_IOERR, "standard output is closed"};
    }
  }
}

}  // namespace sealpost::cli
