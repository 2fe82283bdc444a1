// SPDX-License-Identifier: Apache-2.0
#include "ledger/words.hpp"

#include <array>
#include <utility>

#include "sealpost/clock.hpp"
#include "sealpost/handshake_facts.hpp"

namespace sealpost::ledger {
namespace {

// Of a payload, and their names outside.
constexpr std::array<std::pair<const char*, const char*>, 30> names{{
    {"id", "id"},
    {"n", "recipients"},
    {"client", "client"},
    {"class", "message_class"},
    {"asks", "asks"},
    {"for", "caused_by"},
    {"r", "recipient_number"},
    {"st", "status"},
    {"mx", "mx_host"},
    {"ip", "mx_address"},
    {"re", "reply"},
    {"why", "why"},
    {"mid", "message_id_digest"},
    {"pf", "proof_digest"},
    {"lost", "proof_lost"},
    {"through", "through_day"},
    {"rows", "rows"},
    {"before", "before"},
    {"key", "key"},
    {"public", "public_key"},
    {"by", "by"},
    {"v", "format"},
    {"days", "days"},
    {"what", "what"},
    {"old", "rules_before"},
    {"new", "rules_after"},
    {"changes", "changes"},
    {"weaker", "weaker"},
    {"held", "held"},
    {"set", "set_kept"},
}};

std::string word_in(const Json& object, const char* key) {
  const auto at = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_in(const Json& object, const char* key) {
  const auto at = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && at != object.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

std::string time_of(std::int64_t microseconds) {
  return to_rfc3339(SystemTime(std::chrono::microseconds(microseconds)));
}

std::string with_recipient(std::string reply, const std::string& address) {
  const auto at = reply.find("{to}");
  if (at != std::string::npos && address.find('@') > 0 && !address.empty()) reply.replace(at, 4, address);
  return reply;
}

// Mailbox and account of a message's row.
std::pair<std::string, std::string> sender_of(const FoundRow& row) {
  const std::string beside = row.address.value_or(std::string());
  const auto tab = beside.find('\t');
  if (tab == std::string::npos) return {beside, ""};
  return {beside.substr(0, tab), beside.substr(tab + 1)};
}

Json member_of(const Json& object, const char* key) {
  return object.is_object() ? object.value(key, Json()) : Json();
}

Json members_of(const Json& object, const char* key) {
  Json all = member_of(object, key);
  return all.is_array() ? all : Json::array();
}

// "partner Noord asks starttls webpki mx-name (exception until ...)", and what did not hold.
std::string demand_in_words(const Json& demand) {
  std::string words = word_in(demand, "source");
  if (!word_in(demand, "origin").empty()) words += " " + word_in(demand, "origin");
  words += " asks";
  const Json asks = members_of(demand, "asks");
  if (asks.empty()) words += " nothing";
  for (const Json& axis : asks)
    if (axis.is_string()) words += " " + axis.get<std::string>();
  if (!word_in(demand, "note").empty()) words += " (" + word_in(demand, "note") + ")";
  for (const Json& failure : members_of(demand, "failures"))
    words += ", failed: " + word_in(failure, "type") + " " + word_in(failure, "code");
  return words;
}

std::string session_in_words(const Json& proof) {
  const Json session = member_of(member_of(proof, "facts"), "session");
  if (!session.is_object()) return "passed over before it was contacted";
  if (word_in(session, "starttls") != "established")
    return "not encrypted, starttls " + word_in(session, "starttls");
  return tls_version_of(proof) + " " + word_in(session, "cipher");
}

bool is_outcome(const Json& payload) { return payload.contains("r"); }
bool is_message(const std::string& kind) { return kind == "accepted" || kind == "found"; }

}  // namespace

std::string tls_version_of(const Json& proof) {
  const Json session = member_of(member_of(proof, "facts"), "session");
  const auto version = static_cast<TlsVersion>(number_in(session, "version"));
  return version == TlsVersion::none ? std::string() : std::string(name_of(version));
}

bool by_exception(const Json& proof) {
  for (const Json& demand : members_of(proof, "demands"))
    if (word_in(demand, "note").starts_with("exception")) return true;
  return false;
}

Json described(const FoundRow& row) {
  const std::string kind = word_in(row.payload, "k");
  Json out{{"row", row.number}, {"time", time_of(number_in(row.payload, "t"))}, {"kind", kind}};
  for (const auto& name : names)
    if (const auto at = row.payload.find(name.first); at != row.payload.end()) out[name.second] = *at;
  if (is_message(kind)) {
    const auto sender = sender_of(row);
    out["sender"] = row.address ? Json(sender.first) : Json();
    out["account"] = sender.second;
    if (row.payload.contains("due")) out["send_at"] = time_of(number_in(row.payload, "due") * 1'000'000);
  } else if (is_outcome(row.payload)) {
    out["recipient"] = row.address ? Json(*row.address) : Json();
    out["reply"] = with_recipient(word_in(row.payload, "re"), row.address.value_or(std::string()));
    out["proof"] = row.proof;
    if (row.payload.contains("next"))
      out["next_attempt"] = time_of(number_in(row.payload, "next") * 1'000'000);
    if (row.payload.contains("since"))
      out["refused_since"] = time_of(number_in(row.payload, "since") * 1'000'000);
  } else if (kind == "rerouted") {
    out["next_hop"] = word_in(row.payload, "to");
  } else if (kind == "rules") {
    if (row.payload.contains("at")) out["changed_at"] = time_of(number_in(row.payload, "at"));
    out["change"] = row.proof;
  }
  return out;
}

std::string proof_in_words(const Json& proof) {
  if (!proof.is_object()) return {};
  std::string words;
  const auto add = [&](const std::string& part) {
    if (part.empty()) return;
    if (!words.empty()) words += "; ";
    words += part;
  };
  for (const Json& demand : members_of(proof, "demands")) add(demand_in_words(demand));
  add(session_in_words(proof));
  const Json certificate = member_of(proof, "certificate");
  const std::string subject = word_in(certificate, "subject");
  if (certificate.is_object())
    add("certificate " + word_in(certificate, "sha256").substr(0, 16) +
        (subject.empty() ? "" : " of " + subject));
  const Json refused = member_of(proof, "refused_by");
  if (refused.is_object())
    add("refused by " + word_in(refused, "source") + ": " + word_in(refused, "type") + " " +
        word_in(refused, "code"));
  else
    add(word_in(proof, "verdict"));
  return words;
}

std::vector<std::string> changes_in_words(const Json& entry) {
  std::vector<std::string> lines;
  for (const Json& change : members_of(entry, "changes")) {
    const std::string file = word_in(change, "file");
    std::string line = word_in(change, "subject") + ": " +
                       (word_in(change, "way") == "other" ? "" : word_in(change, "way") + ": ") +
                       word_in(change, "text");
    std::string from;
    const auto add = [&](const std::string& part) { from += (from.empty() ? "" : ", ") + part; };
    if (!file.empty()) add("file " + file.substr(file.rfind('/') + 1));
    for (const Json& source : members_of(entry, "files"))
      if (!file.empty() && word_in(source, "path") == file) add("owner " + word_in(source, "owner"));
    if (word_in(entry, "what") == "calendar") add("by its date");
    if (!word_in(change, "approved_by").empty())
      add("approved by " + word_in(change, "approved_by") + ": " + word_in(change, "reason"));
    if (change.contains("held")) add("not let in, the former demand stays");
    if (!from.empty()) line += " (" + from + ")";
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string in_words(const FoundRow& row) {
  const std::string kind = word_in(row.payload, "k");
  const std::string why = word_in(row.payload, "why");
  const std::string because = why.empty() ? "" : ": " + why;
  if (is_message(kind)) {
    const auto sender = sender_of(row);
    const std::string what = word_in(row.payload, "class") == "notification"
                                 ? "a notification to the sender was made"
                             : kind == "found" ? "was waiting when this ledger began"
                                               : "taken from " + word_in(row.payload, "client");
    std::string words = what;
    if (!sender.second.empty()) words += ", account " + sender.second;
    if (!word_in(row.payload, "for").empty()) words += ", " + word_in(row.payload, "id");
    words += "; sender " +
             (row.payload.contains("from") ? (sender.first.empty() ? "not kept" : sender.first) : "<>");
    words += ", " + std::to_string(number_in(row.payload, "n")) + " recipient(s)";
    if (!word_in(row.payload, "asks").empty()) words += ", asks for " + word_in(row.payload, "asks");
    if (row.payload.contains("due"))
      words += ", to be sent at " + time_of(number_in(row.payload, "due") * 1'000'000);
    return words;
  }
  if (is_outcome(row.payload)) {
    const std::string address = row.address.value_or(std::string());
    const std::string whom = address.empty() || address.front() == '@'
                                 ? "recipient " + std::to_string(number_in(row.payload, "r")) +
                                       (address.empty() ? "" : " of " + address.substr(1))
                                 : address;
    std::string words = kind + ": " + whom;
    if (!word_in(row.payload, "mx").empty()) words += ", by " + word_in(row.payload, "mx");
    if (!word_in(row.payload, "ip").empty()) words += " [" + word_in(row.payload, "ip") + "]";
    words += ": " + with_recipient(word_in(row.payload, "re"), address);
    if (row.payload.contains("next"))
      words += "; next attempt " + time_of(number_in(row.payload, "next") * 1'000'000);
    const std::string proven = proof_in_words(row.proof);
    if (!proven.empty()) words += "\n  " + proven;
    if (row.payload.contains("lost")) words += "\n  what its session proved was lost before it was read";
    return words;
  }
  if (kind == "hold") return "held by the operator" + because;
  if (kind == "release") return "released by the operator";
  if (kind == "rerouted")
    return word_in(row.payload, "to").empty() ? "sent by the routes again"
                                              : "sent by way of " + word_in(row.payload, "to");
  if (kind == "rules") {
    std::string words = "rules in force: " + word_in(row.payload, "new").substr(0, 12) + ", at " +
                        (word_in(row.payload, "what") == "calendar" ? "a date that they carry"
                                                                    : "a " + word_in(row.payload, "what"));
    for (const std::string& line : changes_in_words(row.proof)) words += "\n  " + line;
    return words;
  }
  if (kind == "withdrawn") return "withdrawn: its client never heard that it was taken";
  if (kind == "begun") return "the ledger begins" + because;
  if (kind == "key") return "signed from here on by key " + word_in(row.payload, "key");
  if (kind == "missed")
    return "the journal was not read from " + word_in(row.payload, "from") + " to " +
           word_in(row.payload, "to") + because;
  if (kind == "pruned")
    return std::to_string(number_in(row.payload, "rows")) + " rows of days before " +
           word_in(row.payload, "before") + " were deleted, as the configuration says";
  if (kind == "erased")
    return word_in(row.payload, "before").empty()
               ? "an address was erased from beside " + std::to_string(number_in(row.payload, "rows")) +
                     " row(s)"
               : "the addresses of days before " + word_in(row.payload, "before") +
                     " were erased, and their keys";
  return kind + because;
}

}  // namespace sealpost::ledger
