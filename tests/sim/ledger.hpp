// SPDX-License-Identifier: Apache-2.0
//
// The ledger: what clients were told, what receivers took, what senders heard. At the end every recipient of every
// message that got its 250 must be delivered, bounced or still in the queue, nothing refused may have been sent, and
// duplicates occur only where an acknowledgement can have been lost (D-09, D-13, D-15).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sealpost/clock.hpp"

namespace sealpost::sim {

enum class Answer : std::uint8_t {
  open,      // not sent whole
  accepted,  // 250 to the final dot
  refused,   // 4yz or 5yz to it, or before
  unknown,   // no answer was heard: kept or not (D-09)
};

struct Counts {
  std::uint64_t messages = 0, recipients = 0, accepted = 0, refused = 0, unknown = 0;
  std::uint64_t delivered = 0, duplicates = 0, bounced = 0, delay_notices = 0, queued = 0;
  std::uint64_t crashes = 0, enforced_recipients = 0;
  void add(const Counts& other);
  bool operator==(const Counts&) const = default;
};

class Ledger {
 public:
  explicit Ledger(SteadyTime begin) noexcept : begin_(begin) {}
  // A client is about to send this content (with its X-Token field) to these recipients; gives the token.
  std::string open(std::string sender, std::vector<std::string> recipients);
  void content(const std::string& token, std::string_view text);  // once, before it is sent
  void answered(const std::string& token, Answer answer, SteadyTime now, std::string said = {});
  void recipient_refused(const std::string& token, const std::string& recipient);

  // A receiver took a message for a recipient, or a notification for a sender. The number is for acknowledged():
  // the relay has spoken again after our 250, so it heard it.
  std::size_t took(const std::string& recipient, std::string_view text, SteadyTime now);
  // The same of a refusal for good, after the content.
  std::size_t refused(const std::string& recipient, std::string_view text, SteadyTime now);
  std::size_t notified(const std::string& sender, std::string_view text, SteadyTime now);
  void told(std::size_t delivery, SteadyTime now);  // our 250 goes out, perhaps a good while later
  void acknowledged(std::size_t delivery);
  // Something of an enforced requirement was not kept.
  void violated(std::string what);

  // From then on what the relay had not yet recorded is gone.
  void crashed(SteadyTime now);
  // Outcomes may not be recorded from `from` on, until the next crash or trouble_over().
  void disk_trouble(SteadyTime from);
  void trouble_over(SteadyTime now);

  // `queued`: token and recipient of all that is still in the queue. What is wrong, one line each.
  std::vector<std::string> check(const std::set<std::pair<std::string, std::string>>& queued);
  const Counts& counts() const noexcept { return counts_; }
  void count_enforced() noexcept { ++counts_.enforced_recipients; }

  // The token in a message or in what a notification quotes; empty: none.
  static std::string token_of(std::string_view text);
  // Whom a notification says that delivery has failed for.
  static std::vector<std::string> failed_recipients(std::string_view notification);

 private:
  struct Delivery {
    SteadyTime when;
    SteadyTime told;
    bool acknowledged = false;
  };
  using Deliveries = std::vector<std::size_t>;  // in order of time
  struct Recipient {
    bool refused = false;
    Deliveries deliveries, refusals;
    std::map<std::string, Deliveries> bounces;  // by Message-ID of the notification
  };
  struct Mail {
    std::string sender;
    std::uint64_t hash = 0;
    Answer answer = Answer::open;
    std::string said;  // the reply, and when
    SteadyTime when{};
    std::map<std::string, Recipient> recipients;
  };
  std::size_t note(SteadyTime now);
  bool lost_before(SteadyTime what, SteadyTime crash) const;
  bool excused(const Delivery& delivery, SteadyTime again) const;
  bool withdrawal_lost(SteadyTime refused) const;
  bool crashed_between(SteadyTime from, SteadyTime to) const;
  std::string repeated_without_need(const Deliveries& deliveries) const;  // when; empty: no
  void check_recipient(const std::string& what, const Recipient& recipient);
  void check_mail(const std::string& token, const Mail& mail,
                  const std::set<std::pair<std::string, std::string>>& queued);

  std::string clock(SteadyTime time) const;  // "1:23:45.678" since the day began

  SteadyTime begin_;
  std::map<std::string, Mail> mails_;
  std::vector<Delivery> deliveries_;
  std::vector<SteadyTime> crashes_;
  std::vector<std::pair<SteadyTime, SteadyTime>> troubles_;
  std::vector<std::string> problems_;
  Counts counts_;
};

}  // namespace sealpost::sim
