// SPDX-License-Identifier: Apache-2.0
#include "cli/sendmail_options.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/text.hpp"
#include "mail/future_release.hpp"

namespace sealpost::cli {
namespace {

constexpr std::string_view with_value = "ABCFLNORVXbefhopr";
constexpr std::string_view without_value = "GIUcimntvx";

Error wrong(const std::string& what) { return Error(Errc::invalid, what); }

class Reader {
 public:
  explicit Reader(const std::vector<std::string>& words) : words_(words) {}

  Expected<SendmailOptions> all() {
    for (bool options = true; at_ < words_.size();) {
      const std::string& word = words_[at_++];
      if (options && word == "--") {
        options = false;
      } else if (options && word.starts_with("--")) {
        if (auto read = named(std::string_view(word).substr(2)); !read) return read.error();
      } else if (options && word.size() > 1 && word.front() == '-') {
        if (auto read = letters(word.substr(1)); !read) return read.error();
      } else {
        read_.recipients.push_back(word);
      }
    }
    return std::move(read_);
  }

 private:
  // "ti", "fanna@x.test", "oi": letters, and what is left belongs to the first that takes a value.
  Expected<void> letters(std::string_view rest) {
    while (!rest.empty()) {
      const char letter = rest.front();
      rest.remove_prefix(1);
      if (letter == 'q') {  // its value, an interval, is never a word of its own
        read_.task = SendmailOptions::Task::nothing;
        return {};
      }
      if (with_value.find(letter) != std::string_view::npos) {
        if (rest.empty() && at_ == words_.size())
          return wrong(std::string("-") + letter + " lacks its value");
        return value(letter, rest.empty() ? words_[at_++] : std::string(rest));
      }
      if (without_value.find(letter) == std::string_view::npos)
        return wrong(std::string("-") + text::printable(std::string_view(&letter, 1)) +
                     " is no option of sendmail");
      if (letter == 't') read_.recipients_in_header = true;
      if (letter == 'i') read_.dot_ends = false;
      if (letter == 'v') read_.verbose = true;
      if (letter == 'I') read_.task = SendmailOptions::Task::nothing;
    }
    return {};
  }

  // "tls=verify", or "tls" with its value in the next word. sendmail has none such: these are ours.
  Expected<void> named(std::string_view option) {
    const std::size_t equals = option.find('=');
    const std::string_view name = option.substr(0, equals);
    if (name != "tls" && name != "at")
      return wrong("--" + text::printable(name) + " is no option here; there are --tls and --at");
    if (equals == std::string_view::npos && at_ == words_.size())
      return wrong("--" + std::string(name) + " lacks its value");
    const std::string value(equals == std::string_view::npos ? words_[at_++] : option.substr(equals + 1));
    if (name == "at") {
      read_.at = value;
      return {};
    }
    const auto need = tls_need_of(value);
    if (!need) return wrong("--tls is 'encrypt' or 'verify', not '" + text::printable(value) + "'");
    read_.tls = *need;
    return {};
  }

  Expected<void> value(char letter, const std::string& value) {
    switch (letter) {
      case 'b': return mode(value);
      case 'f':
      case 'r':
        read_.has_sender = true;
        read_.sender = value == "<>" ? "" : value;
        return {};
      case 'F': read_.full_name = value; return {};
      case 'N': return dsn(read_.notify, value, {"never", "success", "failure", "delay"});
      case 'R': return dsn(read_.ret, value, {"full", "hdrs"});
      case 'V': read_.envid = value; return {};
      case 'o':
        if (value == "i") read_.dot_ends = false;
        return {};  // -odb, -oem and the like: how an error is told and when it is sent is not for the caller to say
      default: return {};
    }
  }

  Expected<void> mode(const std::string& value) {
    if (value == "m") return {};
    if (value == "s") read_.task = SendmailOptions::Task::talk;
    if (value == "p") read_.task = SendmailOptions::Task::list_queue;
    if (value == "i") read_.task = SendmailOptions::Task::nothing;
    if (value == "s" || value == "p" || value == "i") return {};
    return wrong("-b" + text::printable(value) + " is not done here; there are -bm, -bp, -bs and -bi" +
                 (value == "d" ? "; a relay is started by 'sealpost run'" : ""));
  }

  static Expected<void> dsn(std::string& into, const std::string& value,
                            const std::vector<std::string_view>& known) {
    for (const std::string_view one : text::split(value, ','))
      if (std::none_of(known.begin(), known.end(),
                       [&](std::string_view name) { return text::iequals(name, one); }))
        return wrong("'" + text::printable(one) + "' is not what RFC 3461 knows here");
    into = value;
    return {};
  }

  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  SendmailOptions read_;
};

}  // namespace

Expected<SendmailOptions> read_sendmail_options(const std::string& called,
                                                const std::vector<std::string>& words) {
  auto read = Reader(words).all();
  if (read && called == "mailq") read->task = SendmailOptions::Task::list_queue;
  if (read && called == "newaliases") read->task = SendmailOptions::Task::nothing;
  return read;
}

Expected<SystemTime> release_asked(const std::string& text, SystemTime now) {
  auto time = from_rfc3339(text);
  if (const auto after = parse_duration(text); after && *after <= longest_hold) time = now + *after;
  if (!time)
    return Error(Errc::invalid,
                 "--at '" + text::printable(text) +
                     "' is no time such as 2026-12-24T08:00:00+01:00, nor a duration of at most "
                     "30 days such as 2h30m");
  if (!release_time(*time, now))
    return Error(Errc::invalid, "--at " + to_rfc3339(*time) +
                                    " is more than 30 days away, or long past: it is " + to_rfc3339(now) +
                                    " now");
  return *time;
}

}  // namespace sealpost::cli
