// SPDX-License-Identifier: Apache-2.0
#include "partner/partner_warnings.hpp"

#include "base/text.hpp"

namespace sealpost::app {
namespace {

using namespace std::chrono_literals;

constexpr auto ahead = 30 * 24h;           // how long before a date people hear of it
constexpr auto long_exception = 90 * 24h;  // an exception beyond this is no exception

void warn_about_dates(TableReader& reader, const PartnerRule& rule, SystemTime now) {
  if (rule.ends && *rule.ends <= now)
    reader.warning(
        "ends", "the rule ended on " + to_utc_day(*rule.ends) + "; mail to its domains is sent without it");
  else if (rule.ends && *rule.ends <= now + ahead)
    reader.warning("ends",
                   "the rule ends on " + to_utc_day(*rule.ends) + "; from then on mail is sent without it");
  if (rule.review_by && *rule.review_by <= now)
    reader.warning("review_by", "the review was due on " + to_utc_day(*rule.review_by) +
                                    (rule.owner.empty() ? "" : "; owner: " + rule.owner));
  else if (rule.review_by && *rule.review_by <= now + ahead)
    reader.warning("review_by", "the review is due on " + to_utc_day(*rule.review_by) +
                                    (rule.owner.empty() ? "" : "; owner: " + rule.owner));
}

void warn_about_exceptions(TableReader& reader, const PartnerRule& rule, SystemTime now) {
  unsigned in_force = 0;
  for (const PartnerException& exception : rule.exceptions) {
    const std::string what = "the exception '" + exception.reason + "' ";
    if (exception.until == SystemTime{}) continue;  // reported as an error already
    if (exception.until <= now) {
      reader.warning("exception", what + "ended on " + to_rfc3339(exception.until) +
                                      "; the rule holds in full again, so it can be removed");
      continue;
    }
    ++in_force;
    reader.warning("exception", what + "is in force until " + to_rfc3339(exception.until) + ": tls = \"" +
                                    std::string(name_of(exception.level)) + "\", approved by " +
                                    exception.approved_by);
    if (exception.until > now + long_exception)
      reader.warning("exception", what + "lasts longer than 90 days; change the rule instead");
  }
  if (in_force > 1)
    reader.warning("exception", "several exceptions are in force; the weakest of them counts");
}

}  // namespace

void warn_about(TableReader& reader, const PartnerRule& rule, SystemTime now) {
  if (rule.level == PartnerLevel::verify && rule.names == PartnerRule::Names::mx && rule.mx.empty())
    reader.warning("names",
                   "\"mx\" without mx trusts DNS to name the right host: unless the MX records are signed by "
                   "DNSSEC, whoever can change them receives the mail; add mx, or use \"domain\"");
  if (rule.level == PartnerLevel::pin && rule.pins.size() == 1)
    reader.warning(
        "pins",
        "there is one pin only; add the next key before the partner changes to it, or mail stops then");
  if (rule.level == PartnerLevel::none)
    reader.warning("tls", "\"none\" sends mail in clear even when the partner offers TLS");
  if (rule.audit && rule.on_failure != PartnerRule::OnFailure::bounce)
    reader.warning("on_failure", "has no effect with mode = \"audit\", which never refuses");
  warn_about_dates(reader, rule, now);
  warn_about_exceptions(reader, rule, now);
}

}  // namespace sealpost::app
