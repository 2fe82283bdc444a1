// SPDX-License-Identifier: Apache-2.0
#include "mail/dsn_status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/mime_text.hpp"
#include "mail/smtputf8.hpp"
#include "mail/xtext.hpp"

namespace sealpost {
namespace {

// "Name: type; address". Beyond ASCII only in message/global-delivery-status (RFC 6533 §5); such an address was parsed when it
// came, and fits in a line.
std::string address_field(std::string_view name, const std::string& type, const std::string& address) {
  if (is_ascii(address)) return folded_field(name, type + "; " + address);
  return std::string(name) + ": " + type + "; " + address + "\r\n";
}

std::string final_recipient(const std::string& address, DsnForm form) {
  if (is_ascii(address)) return address_field("Final-Recipient", "rfc822", address);
  return address_field("Final-Recipient", "utf-8",
                       form == DsnForm::global ? address : to_utf8_xtext(address));
}

// ORCPT back in the form it had before xtext (RFC 3464 §2.3.1). Nothing when it is damaged.
std::string original_recipient(const std::string& orcpt, DsnForm form) {
  const std::size_t semicolon = orcpt.find(';');
  if (semicolon == orcpt.npos || semicolon == 0) return {};
  const std::string type = orcpt.substr(0, semicolon), address = orcpt.substr(semicolon + 1);
  if (text::iequals(type, "utf-8") && is_utf8_xtext(address, true))
    return address_field("Original-Recipient", type,
                         form == DsnForm::global ? address : ascii_original(address));
  const auto decoded = from_xtext(address);
  return decoded ? address_field("Original-Recipient", type, *decoded) : std::string();
}

// RFC 3464 §2.3.4: the class goes with the action; 4 with failed when a transient cause ran out of time.
bool fits(std::string_view status_class, DsnAction action) noexcept {
  if (action == DsnAction::relayed) return status_class == "2";
  return status_class == "4" || (status_class == "5" && action == DsnAction::failed);
}

std::string per_message(const DsnRequest& request) {
  const Envelope& envelope = *request.envelope;
  std::string out;
  if (!envelope.envid.empty()) out += folded_field("Original-Envelope-Id", envelope.envid);
  const bool own_name_is_dns = is_domain_name(request.reporting_mta);
  out += folded_field("Reporting-MTA",
                      (own_name_is_dns ? "dns; " : "x-local-hostname; ") + request.reporting_mta);
  if (!envelope.received_from.empty())
    out += folded_field("Received-From-MTA", "dns; " + envelope.received_from);
  out += folded_field("Arrival-Date", to_rfc5322(envelope.arrival));
  return out;
}

std::string per_recipient(const DsnRequest& request, const DsnRecipient& recipient, DsnForm form,
                          bool brief) {
  std::string out = original_recipient(recipient.recipient.original, form);
  out += final_recipient(recipient.recipient.address, form);
  out += folded_field("Action", std::string(name_of(request.action)));
  out += folded_field("Status", status_of(recipient, request.action));
  if (brief) return out;
  // No Remote-MTA with our own verdict: its absence says whose the code is (RFC 3464 §2.3.6).
  if (recipient.remote && is_domain_name(recipient.remote_mta))
    out += folded_field("Remote-MTA", "dns; " + recipient.remote_mta);
  if (!recipient.diagnostic.empty())
    out += folded_field("Diagnostic-Code",
                        (recipient.remote ? "smtp; " : "X-sealpost; ") + recipient.diagnostic);
  if (recipient.last_attempt) out += folded_field("Last-Attempt-Date", to_rfc5322(*recipient.last_attempt));
  out += folded_field("Final-Log-ID", request.original_id.to_string());
  if (request.action == DsnAction::delayed && recipient.will_retry_until)
    out += folded_field("Will-Retry-Until", to_rfc5322(*recipient.will_retry_until));
  return out;
}

}  // namespace

// Everybody's mandatory fields come before anybody's diagnostics: a sender must learn of every failure.
DeliveryStatus delivery_status(const DsnRequest& request, const std::vector<const DsnRecipient*>& recipients,
                               DsnForm form, std::size_t most) {
  DeliveryStatus out;
  out.text = per_message(request);
  std::vector<std::string> brief;
  std::size_t needed = out.text.size();
  for (const DsnRecipient* recipient : recipients) {
    std::string block = "\r\n" + per_recipient(request, *recipient, form, true);
    if (needed + block.size() > most) break;
    needed += block.size();
    brief.push_back(std::move(block));
  }
  out.blocks = brief.size();
  if (out.blocks < recipients.size())
    out.text +=
        folded_field("X-Sealpost-Recipients-Without-Block", std::to_string(recipients.size() - out.blocks));
  for (std::size_t i = 0; i < brief.size(); ++i) {
    std::string full = "\r\n" + per_recipient(request, *recipients[i], form, false);
    const bool fits_too = needed - brief[i].size() + full.size() <= most;
    if (fits_too) needed = needed - brief[i].size() + full.size();
    out.text += fits_too ? full : brief[i];
  }
  return out;
}

std::string status_of(const DsnRecipient& recipient, DsnAction action) {
  const std::string& status = recipient.status;
  const auto parts = text::split(status, '.');
  const auto is_number = [](std::string_view part) {
    return !part.empty() && part.size() <= 3 && part.find_first_not_of("0123456789") == part.npos &&
           (part.size() == 1 || part.front() != '0');
  };
  const bool well_formed =
      parts.size() == 3 && std::all_of(parts.begin(), parts.end(), is_number) && fits(parts[0], action);
  if (well_formed) return status;
  switch (action) {
    case DsnAction::failed: return "5.0.0";
    case DsnAction::delayed: return "4.0.0";
    case DsnAction::relayed: return "2.0.0";
  }
  return "5.0.0";
}

}  // namespace sealpost
