// SPDX-License-Identifier: Apache-2.0
#include "tlsrpt/counting/plain_words.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace sealpost::tlsrpt {
namespace {

// The first row whose type is equal and whose reason begins the code. {mx}, {domain}, {reason} and {when} are replaced.
struct Row {
  std::string_view type, reason, what, cause;
  std::string_view ask_them;  // Way::to_them
  std::string_view do_here;   // Way::to_us
};

constexpr Row rows[] = {
    // Negotiation (RFC 8460 §4.3.1)
    {"starttls-not-supported", "4", "{mx} offers STARTTLS but answered it with \"{reason}\"",
     "its TLS is switched off for a while: no certificate could be loaded, or it is overloaded",
     "ask them to look at their server's TLS log; it may pass by itself",
     "look at the mail server's TLS log: a certificate or key could not be read"},
    {"starttls-not-supported", "5", "{mx} offers STARTTLS but refused it with \"{reason}\"",
     "TLS is announced but not configured",
     "ask them to install a certificate or to stop announcing STARTTLS", "configure a certificate on {mx}"},
    {"starttls-not-supported", "", "{mx} does not offer STARTTLS",
     "TLS is not configured there, or something between filters the word STARTTLS out of its answer",
     "ask them to switch STARTTLS on at {mx}; when others see it offered, a device on the way strips it",
     "switch STARTTLS on at {mx}; when it is on, a firewall with SMTP inspection before it strips it"},

    // Certificates
    {"certificate-expired", "", "certificate of {mx} expired {when}",
     "it was not renewed, or the mail server has not loaded the renewed one",
     "ask them to renew it and to reload their mail server", "renew it, then reload the mail server on {mx}"},
    {"certificate-host-mismatch", "", "certificate of {mx} does not name {mx}",
     "the server shows the certificate of another name, such as its own or its provider's",
     "ask them for a certificate that names {mx}, or to correct the MX record",
     "install a certificate whose subjectAltName holds {mx}"},
    {"certificate-not-trusted", "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT",
     "certificate of {mx} is self-signed", "nobody but the server itself vouches for it",
     "ask them for a certificate of a public authority; or agree on its key and pin it in a partner rule",
     "install a certificate of a public authority on {mx}"},
    {"certificate-not-trusted", "X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN",
     "certificate of {mx} comes from an authority that is not trusted here", "a private authority issued it",
     "ask them for a certificate of a public authority; or add theirs to [tls] trust",
     "install a certificate of a public authority on {mx}"},
    {"certificate-not-trusted", "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT",
     "the chain of {mx}'s certificate is not complete, or its authority is not trusted here",
     "the intermediate certificate is not sent along",
     "ask them to send the whole chain (the \"fullchain\" file) from {mx}",
     "configure the whole chain (the \"fullchain\" file) on {mx}"},
    {"certificate-not-trusted", "X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE",
     "{mx} sends its certificate without the chain", "the intermediate certificate is not sent along",
     "ask them to send the whole chain (the \"fullchain\" file) from {mx}",
     "configure the whole chain (the \"fullchain\" file) on {mx}"},
    {"certificate-not-trusted", "X509_V_ERR_CERT_NOT_YET_VALID", "certificate of {mx} is not yet valid",
     "it was made for a later date, or a clock is wrong: theirs or ours",
     "compare the clocks; then ask them to install a certificate that is valid now",
     "check the clock of the machine that issued it, and install one that is valid now"},
    {"certificate-not-trusted", "X509_V_ERR_CERT_REVOKED", "certificate of {mx} was revoked",
     "its authority withdrew it", "ask them to replace it", "replace it on {mx}"},
    {"certificate-not-trusted", "X509_V_ERR_EE_KEY_TOO_SMALL",
     "certificate of {mx} has a key that is too short", "it is old",
     "ask them for one with an RSA key of 2048 bits or an ECDSA key",
     "install one with a key of RSA 2048 bits or ECDSA P-256 on {mx}"},
    {"certificate-not-trusted", "no-certificate", "{mx} showed no certificate",
     "it offers anonymous ciphers only", "ask them to install a certificate",
     "install a certificate on {mx}"},
    {"certificate-not-trusted", "", "certificate of {mx} is not trusted ({reason})",
     "a private or unknown authority issued it, or the chain is not complete",
     "ask them for a certificate of a public authority, sent with its whole chain",
     "install a certificate of a public authority with its whole chain on {mx}"},

    // Everything else about a session
    {"validation-failure", "mx-not-in-sts-policy",
     "mail host {mx} is not among those of {domain}'s MTA-STS policy",
     "the MX record was changed and the policy was not, or somebody forged the MX record",
     "ask them whether {mx} is theirs; if so, to add it to the policy and to change the policy's id",
     "add {mx} to the mx lines of the policy and change the id in the _mta-sts record"},
    {"validation-failure", "mx-not-allowed", "mail host {mx} is not among those the partner rule allows",
     "they moved their mail, or somebody forged the MX record",
     "ask them whether {mx} is theirs, by another way than mail; if so, add it to the rule's mx", "nothing"},
    {"validation-failure", "mx-not-authenticated", "nothing vouches for {mx} being {domain}'s mail host",
     "the message asks for REQUIRETLS, which needs DNSSEC or an enforced MTA-STS policy",
     "ask them to publish an MTA-STS policy or to sign their zone",
     "publish an MTA-STS policy or sign the zone"},
    {"validation-failure", "requiretls-not-offered", "{mx} does not offer REQUIRETLS",
     "its software does not know RFC 8689", "send without REQUIRETLS, or ask them to support it",
     "support REQUIRETLS (RFC 8689) on {mx}"},
    {"validation-failure", "protocol-version", "{mx} speaks only an old version of TLS",
     "its software or its settings are old", "ask them to switch TLS 1.2 or newer on",
     "switch TLS 1.2 and 1.3 on at {mx}"},
    {"validation-failure", "pin-mismatch", "{mx} showed another key than the partner rule pins",
     "they changed the key, or somebody stands between",
     "ask them for the new key's fingerprint by another way than mail, and add it to the rule before the old "
     "goes",
     "nothing"},
    {"validation-failure", "starttls-response-injection", "{mx} sent more than its answer to STARTTLS",
     "somebody between injects plain text, or the server is broken",
     "tell them; this is an attack or a serious fault",
     "update the mail server on {mx}; somebody may stand between"},
    {"validation-failure", "timed-out", "the TLS handshake with {mx} was not finished in time",
     "the host is overloaded, or a device on the way drops large packets",
     "ask them to look at {mx}; a wrong path MTU is a common cause",
     "look at the load and the path MTU of {mx}"},
    {"validation-failure", "handshake-timed-out", "the TLS handshake with {mx} was not finished in time",
     "the host is overloaded, or a device on the way drops large packets",
     "ask them to look at {mx}; a wrong path MTU is a common cause",
     "look at the load and the path MTU of {mx}"},
    {"validation-failure", "closed", "{mx} closed the connection during the TLS handshake",
     "its TLS is misconfigured, or a device on the way cuts it", "ask them to look at the TLS log of {mx}",
     "look at the TLS log of {mx}"},
    {"validation-failure", "connection-closed", "{mx} closed the connection during the TLS handshake",
     "its TLS is misconfigured, or a device on the way cuts it", "ask them to look at the TLS log of {mx}",
     "look at the TLS log of {mx}"},
    {"validation-failure", "tlsv1-alert-protocol-version", "{mx} and we have no version of TLS in common",
     "its software or its settings are old", "ask them to switch TLS 1.2 or newer on",
     "switch TLS 1.2 and 1.3 on at {mx}"},
    {"validation-failure", "unsupported-protocol", "{mx} and we have no version of TLS in common",
     "its software or its settings are old", "ask them to switch TLS 1.2 or newer on",
     "switch TLS 1.2 and 1.3 on at {mx}"},
    {"validation-failure", "dh-key-too-small", "{mx} uses a key that is too short",
     "its certificate or its Diffie-Hellman parameters are old",
     "ask them for an RSA key of 2048 bits or an ECDSA key",
     "install a key of RSA 2048 bits or ECDSA P-256 on {mx}"},
    {"validation-failure", "ee-key-too-small", "{mx} uses a key that is too short",
     "its certificate or its Diffie-Hellman parameters are old",
     "ask them for an RSA key of 2048 bits or an ECDSA key",
     "install a key of RSA 2048 bits or ECDSA P-256 on {mx}"},
    {"validation-failure", "", "the TLS handshake with {mx} failed ({reason})",
     "no version or cipher in common, or its TLS is misconfigured", "ask them to look at the TLS log of {mx}",
     "look at the TLS log of {mx}; offer TLS 1.2 and 1.3 with usual ciphers"},

    // DANE (RFC 8460 §4.3.2.2)
    {"tlsa-invalid", "all-tlsa-records-unusable", "no TLSA record of {mx} can be used for mail",
     "they are of usage 0 or 1, or malformed",
     "ask them to publish \"3 1 1\" records for {mx} (RFC 7672 §3.1)",
     "publish \"3 1 1\" records at _25._tcp.{mx} (RFC 7672 §3.1)"},
    {"tlsa-invalid", "", "certificate of {mx} matches no TLSA record",
     "the certificate was renewed with a new key and the TLSA records were not",
     "ask them to publish the TLSA record of the key now in use",
     "publish the record of the key now in use at _25._tcp.{mx}; before the next change publish both"},
    {"dnssec-invalid", "resolver-does-not-validate", "the TLSA records of {mx} could not be trusted here",
     "our resolver does not validate DNSSEC",
     "repair the resolver named in [dns] servers; 'sealpost status' says more",
     "the sender's resolver is at fault; nothing"},
    {"dnssec-invalid", "", "the TLSA records of {mx} could not be looked up securely ({reason})",
     "its zone's DNSSEC is broken (an expired signature is the usual fault), or its name servers do not "
     "answer",
     "ask them to repair DNSSEC for the zone of {mx}; dnsviz.net shows what is wrong",
     "repair DNSSEC for the zone of {mx}: signatures, DS records, name servers"},
    {"dane-required", "", "{mx} has no secure TLSA records, and DANE is required",
     "they do not publish them, or their zone is not signed",
     "ask them to sign the zone and publish TLSA records", "sign the zone and publish TLSA records for {mx}"},

    // MTA-STS (RFC 8460 §4.3.2.1)
    {"sts-policy-fetch-error", "http-status-",
     "the MTA-STS policy of {domain} could not be fetched ({reason})",
     "the policy host runs, but has no policy at /.well-known/mta-sts.txt",
     "ask them to put the policy on https://mta-sts.{domain}/.well-known/mta-sts.txt",
     "put the policy on https://mta-sts.{domain}/.well-known/mta-sts.txt"},
    {"sts-policy-fetch-error", "", "the MTA-STS policy of {domain} could not be fetched ({reason})",
     "the policy host mta-sts.{domain} is down or its name does not resolve",
     "ask them to repair mta-sts.{domain}; a cached policy holds until it expires",
     "repair the host mta-sts.{domain}"},
    {"sts-policy-invalid", "media-type", "the MTA-STS policy of {domain} is served with a wrong type",
     "the web server does not send it as text/plain", "ask them to serve mta-sts.txt as text/plain",
     "serve mta-sts.txt as text/plain"},
    {"sts-policy-invalid", "", "the MTA-STS policy of {domain} is malformed ({reason})",
     "an error in the policy file", "ask them to correct it; RFC 8461 §3.2 has the grammar",
     "correct the policy file; RFC 8461 §3.2 has the grammar"},
    {"sts-webpki-invalid", "", "the certificate of mta-sts.{domain} is not valid ({reason})",
     "it expired, does not name mta-sts.{domain}, or its chain is not complete",
     "ask them to renew it; a cached policy holds until it expires",
     "renew the certificate of mta-sts.{domain}"},
};

std::string filled(std::string_view text, const Circumstances& about) {
  const std::string mx = about.mx_host.empty() ? "a mail host of " + about.domain : about.mx_host;
  std::string when = "(its date is not known)";
  if (about.certificate_expires && *about.certificate_expires <= about.now)
    when = when_in_words(*about.certificate_expires, about.now);
  const std::pair<std::string_view, std::string> values[] = {
      {"{mx}", text::printable(mx, 255)},
      {"{domain}", text::printable(about.domain, 255)},
      {"{reason}", about.reason_code.empty() ? "no reason given" : text::printable(about.reason_code, 128)},
      {"{when}", when}};
  std::string out;
  while (!text.empty()) {
    const auto* const value = std::find_if(std::begin(values), std::end(values),
                                           [&](const auto& each) { return text.starts_with(each.first); });
    if (value == std::end(values)) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += value->second;
      text.remove_prefix(value->first.size());
    }
  }
  return out;
}

std::string count_of(std::int64_t number, const char* unit) {
  return std::to_string(number) + " " + unit + (number == 1 ? "" : "s");
}

}  // namespace

std::string when_in_words(SystemTime then, SystemTime now) {
  using namespace std::chrono;
  const bool past = then <= now;
  const auto gap = past ? now - then : then - now;
  std::string amount;
  if (gap < 1min) return past ? "just now" : "at once";
  if (gap < 1h)
    amount = count_of(duration_cast<minutes>(gap).count(), "minute");
  else if (gap < 48h)
    amount = count_of(duration_cast<hours>(gap).count(), "hour");
  else
    amount = count_of(duration_cast<days>(gap).count(), "day");
  return past ? amount + " ago" : "in " + amount;
}

PlainWords in_plain_words(const Circumstances& about) {
  PlainWords words;
  const auto* const row = std::find_if(std::begin(rows), std::end(rows), [&](const Row& each) {
    return each.type == about.result_type && about.reason_code.starts_with(each.reason);
  });
  if (row == std::end(rows)) {
    words.what = text::printable(about.result_type, 64) +
                 filled(about.reason_code.empty() ? " at {mx}" : " at {mx} ({reason})", about);
    return words;
  }
  words.what = filled(row->what, about);
  words.cause = filled(row->cause, about);
  words.remedy = filled(about.way == Way::to_them ? row->ask_them : row->do_here, about);
  return words;
}

std::vector<std::string_view> known_result_types() {
  std::vector<std::string_view> types;
  for (const Row& row : rows) {
    if (row.reason.empty()) types.push_back(row.type);
  }
  return types;
}

}  // namespace sealpost::tlsrpt
