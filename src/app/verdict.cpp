// SPDX-License-Identifier: Apache-2.0
#include "app/verdict.hpp"

#include <string>
#include <vector>

#include "base/amounts.hpp"
#include "base/text.hpp"
#include "base/words.hpp"
#include "sealpost/clock.hpp"

namespace sealpost::app {
namespace {

using Json = nlohmann::json;
constexpr std::size_t most_causes = 3;

std::string waiting(const Json& queue) {
  const auto recipients = queue.value("recipients", std::uint64_t{0}),
             held = queue.value("held", std::uint64_t{0});
  std::string words;
  if (recipients > held)
    words = text::grouped(recipients - held) + " waiting, oldest " +
            text::about(queue.value("oldest_s", std::int64_t{0}));
  if (held > 0) words += (words.empty() ? "" : ", ") + text::grouped(held) + " held";
  return words;
}

struct Verdict {
  Json problems = Json::array();
  std::vector<std::string> words;
  bool critical = false;

  void add(bool is_critical, std::string short_words, std::string what, std::string remedy) {
    critical = critical || is_critical;
    if (!short_words.empty()) words.push_back(std::move(short_words));
    problems.push_back({{"grade", is_critical ? "critical" : "attention"},
                        {"what", std::move(what)},
                        {"remedy", std::move(remedy)}});
  }
};

void add_alerts(const Json& status, Verdict& verdict) {
  struct Kind {
    const char *name, *one, *many, *what;
  };
  constexpr Kind kinds[] = {
      {"delivery", "domain kept back", "domains kept back", "mail that a demand keeps back"},
      {"certificate", "certificate of a host ends soon", "certificates of hosts end soon",
       "certificates of hosts that we verify"},
      {"mta-sts-refresh", "policy not refreshed", "policies not refreshed",
       "MTA-STS policies that cannot be refreshed"},
      {"received", "report of trouble reaching us", "reports of trouble reaching us",
       "what others report of us"},
  };
  const Json alerts = status.value("alerts", Json::object()).value("kinds", Json::object());
  for (const Kind& kind : kinds) {
    const auto number = alerts.value(kind.name, std::uint64_t{0});
    if (number == 0) continue;
    const std::string words = text::counted(number, kind.one, kind.many);
    verdict.add(false, words, std::string(kind.what) + ": " + words,
                "'sealpost report alerts' says which, since when and what to do");
  }
}

std::string fault_of_certificate(const Json& status) {
  const Json certificate = status.value("listener_certificate", Json());
  return certificate.is_object() ? certificate.value("fault", "") : "";
}

// Somebody must decide or be in time, and until then the relay itself is well: mail moves, and demands hold.
bool can_wait(const std::string& cause, const Json& status) {
  if (cause == "listener certificate") return fault_of_certificate(status) != "date";
  return cause == "held mail" || cause == "weaker rules" || cause.starts_with("webhook ");
}

// Whatever its alerts are, it stands here once.
void add_troubles(const Json& status, Verdict& verdict) {
  const Json troubles = status.value("troubles", Json::array());
  std::size_t named = 0;
  for (const Json& trouble : troubles) {
    const std::string cause = trouble.value("cause", "");
    verdict.add(!can_wait(cause, status), ++named <= most_causes ? cause : "",
                cause + ": " + trouble.value("what", ""), trouble.value("remedy", ""));
  }
  if (named > most_causes) verdict.words.push_back(std::to_string(named - most_causes) + " more troubles");
}

// What its date says is a trouble; a name that it lacks, or has in vain, may be meant so.
void add_certificate(const Json& status, Verdict& verdict) {
  const std::string fault = fault_of_certificate(status);
  if (fault != "name" && fault != "unused") return;
  const Json certificate = status.at("listener_certificate");
  verdict.add(
      false,
      fault == "name" ? "listener certificate has another name" : "a listener certificate is never shown",
      certificate.value("file", "") + " " + certificate.value("state", ""), certificate.value("remedy", ""));
}

// Nothing else may have been seen: behind a closed port 25 no demand is refused, and no part of the relay fails.
void add_queue(const Json& status, Verdict& verdict) {
  const Json queue = status.value("queue", Json::object());
  const auto oldest = queue.value("oldest_s", std::int64_t{0}),
             most = queue.value("late_after_s", std::int64_t{0});
  if (most > 0 && oldest > most)
    verdict.add(false, "mail waits longer than " + text::about(most),
                "the oldest mail that waits was handed in " + text::about(oldest) + " ago",
                "'sealpost queue summary --by reason' says what mail waits for");
  if (const std::string mail = waiting(queue); !mail.empty()) verdict.words.push_back(mail);
}

void add_dnssec(const Json& status, Verdict& verdict) {
  const Json dnssec = status.value("dnssec", Json::object());
  const std::string state = dnssec.value("state", "");
  if (!dnssec.value("wanted", true) || (state != "untested" && state != "lost")) return;
  for (const Json& trouble : status.value("troubles", Json::array()))
    if (trouble.value("cause", "") == "DNSSEC") return;
  verdict.add(false, "DANE " + state, "DNSSEC: " + dnssec.value("explanation", ""),
              "mail waits where DANE could matter; look at the resolver ('sealpost check --live')");
}

}  // namespace

Json verdict_of(const Json& status) {
  Verdict verdict;
  const std::string state = status.value("state", "running");
  if (state != "running")
    verdict.add(false, state, "the relay is " + state,
                state == "starting" ? "it takes mail in a moment" : "");
  add_troubles(status, verdict);
  const std::string spool = status.value("spool", Json::object()).value("state", "ok");
  if (spool != "ok")
    verdict.add(true, "no mail is taken", "the journal: " + spool,
                "see docs/operating.md, What happens when");
  add_certificate(status, verdict);
  add_alerts(status, verdict);
  add_queue(status, verdict);
  add_dnssec(status, verdict);

  const bool well = verdict.problems.empty();
  std::string text = well ? "WELL" : "NOT WELL";
  const char* between = ": ";
  for (const std::string& words : verdict.words) {
    text += between + words;
    between = "; ";
  }
  if (well && verdict.words.empty()) text += ": nothing waits";
  return {{"grade", well               ? "well"
                    : verdict.critical ? "critical"
                                       : "attention"},
          {"text", text},
          {"problems", std::move(verdict.problems)}};
}

}  // namespace sealpost::app
