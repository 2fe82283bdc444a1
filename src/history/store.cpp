// SPDX-License-Identifier: Apache-2.0
#include "history/store.hpp"

#include <array>
#include <utility>

#include "base/digest.hpp"
#include "history/facts_codec.hpp"
#include "history/facts_reader.hpp"
#include "history/schema.hpp"

namespace sealpost::history {
namespace {

constexpr std::size_t most_ids = 100'000;
constexpr std::size_t longest_name = 255;
constexpr std::array verdict_words{"deliver", "deliver-and-report", "refuse"};

std::int64_t day_of(SystemTime time) {
  return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}
std::int64_t second_of(SystemTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

const CertificateFacts* certificate_of(const Session& session) {
  return session.facts.session ? session.facts.session->tls.certificate.get() : nullptr;
}

}  // namespace

std::string_view word_of(Verdict verdict) noexcept {
  return verdict_words.at(static_cast<std::size_t>(verdict));
}

std::optional<Verdict> verdict_named(std::string_view word) noexcept {
  for (std::size_t i = 0; i < verdict_words.size(); ++i)
    if (word == verdict_words.at(i)) return static_cast<Verdict>(i);
  return std::nullopt;
}

Store::Store(const std::string& path, Health* health) : file_(schema_settings(path), health) {}

Expected<Store> Store::open(const std::string& path) {
  Store store(path);
  if (auto opened = store.file_.open(); !opened) return opened.error();
  return store;
}

// The row that has these values, made when there is none. `known` spares the question.
Expected<std::int64_t> Store::id_of(Ids& known, const char* sql, const std::vector<std::string>& values) {
  std::string key;
  for (const std::string& value : values) key += value + '\n';
  if (const auto found = known.find(key); found != known.end()) return found->second;
  auto insert = file_.statement(sql);
  if (!insert) return insert.error();
  for (std::size_t i = 0; i < values.size(); ++i) insert->bind(static_cast<int>(i + 1), values[i]);
  const auto row = insert->row();
  if (!row) return row.error();
  const std::int64_t id = insert->number(0);
  if (auto done = insert->done(); !done) return done.error();
  if (known.size() >= most_ids) known.clear();
  known.emplace(std::move(key), id);
  return id;
}

Expected<std::int64_t> Store::name_id(const std::string& name) {
  return id_of(names_, "INSERT INTO name(name) VALUES(?1) ON CONFLICT DO UPDATE SET name=name RETURNING id",
               {name.substr(0, longest_name)});
}

// 0: no certificate was shown.
Expected<std::int64_t> Store::certificate_id(const CertificateFacts* certificate) {
  if (certificate == nullptr) return std::int64_t{0};
  const std::string text = encode(*certificate);
  if (text.size() > most_text) return Error(Errc::too_long, "certificate facts");
  return id_of(certificates_,
               "INSERT INTO certificate(digest, facts) VALUES(?1, ?2) "
               "ON CONFLICT DO UPDATE SET digest=digest RETURNING id",
               {sha256_hex(text), text});
}

Expected<std::int64_t> Store::facts_id(const Facts& facts, const std::string& certificate) {
  const std::string text = encode(facts);
  if (text.size() > most_text) return Error(Errc::too_long, "facts");
  return id_of(facts_,
               "INSERT INTO facts(digest, certificate, facts) VALUES(?1, CAST(?2 AS INTEGER), ?3) "
               "ON CONFLICT DO UPDATE SET digest=digest RETURNING id",
               {sha256_hex(text), certificate, text});
}

Expected<void> Store::count_left_out(const Counted& counted, std::int64_t domain, std::int64_t day) {
  auto count = file_.statement(
      "INSERT INTO left_out VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET sessions = sessions + ?3");
  if (!count) return count.error();
  const auto sessions = static_cast<std::int64_t>(counted.handshakes + counted.reuses);
  return count->bind(1, domain).bind(2, day).bind(3, sessions).done();
}

// A domain that has shown all the kinds it may in a day: those it has shown before are counted on, new ones are not kept.
Expected<void> Store::count_known_kind(const Counted& counted, std::int64_t domain, std::int64_t day) {
  const Session& session = counted.session;
  auto count = file_.statement(
      "UPDATE session SET handshakes = handshakes + ?3, reuses = reuses + ?4, first = min(first, ?5), "
      "last = max(last, ?16) WHERE domain=?1 AND day=?2 "
      "AND policy_domain=(SELECT id FROM name WHERE name=?6) AND mx=(SELECT id FROM name WHERE name=?7) "
      "AND facts=(SELECT id FROM facts WHERE digest=?8 AND certificate="
      "coalesce((SELECT id FROM certificate WHERE digest=?9), 0)) "
      "AND ending=(SELECT id FROM ending WHERE verdict=?10 AND partner=?11 AND partner_hash=?12 "
      "AND refused_by=?13 AND result_type=?14 AND reason_code=?15)");
  if (!count) return count.error();
  const CertificateFacts* certificate = certificate_of(session);
  const Ending& ending = session.ending;
  count->bind(1, domain).bind(2, day).bind(3, static_cast<std::int64_t>(counted.handshakes));
  count->bind(4, static_cast<std::int64_t>(counted.reuses)).bind(5, second_of(counted.first));
  count->bind(16, second_of(counted.last));
  count->bind(6, session.policy_domain).bind(7, session.mx_host).bind(8, sha256_hex(encode(session.facts)));
  count->bind(9, certificate == nullptr ? std::string() : sha256_hex(encode(*certificate)));
  count->bind(10, word_of(ending.verdict)).bind(11, ending.partner).bind(12, ending.partner_hash);
  count->bind(13, ending.refused_by).bind(14, ending.result_type).bind(15, ending.reason_code);
  if (auto done = count->done(); !done) return done;
  return file_.changed() > 0 ? Expected<void>() : count_left_out(counted, domain, day);
}

Expected<void> Store::add_one(const Counted& counted) {
  const Session& session = counted.session;
  const std::int64_t day = day_of(session.when);
  const auto domain = name_id(session.recipient_domain);
  if (!domain) return domain.error();
  // Before anything else of it is stored: what will not be kept must not fill the other tables either.
  auto kinds = file_.statement("SELECT count(*) FROM session WHERE domain=?1 AND day=?2");
  if (!kinds) return kinds.error();
  if (auto row = kinds->bind(1, *domain).bind(2, day).row(); !row) return row.error();
  const bool full = kinds->number(0) >= static_cast<std::int64_t>(most_per_domain_and_day);

  if (full) return count_known_kind(counted, *domain, day);
  const auto certificate_row = certificate_id(certificate_of(session));
  if (!certificate_row && certificate_row.error().code == Errc::too_long)
    return count_left_out(counted, *domain, day);
  if (!certificate_row) return certificate_row.error();
  const auto facts = facts_id(session.facts, std::to_string(*certificate_row));
  if (!facts && facts.error().code == Errc::too_long) return count_left_out(counted, *domain, day);
  if (!facts) return facts.error();
  const Ending& ending = session.ending;
  const auto ending_row =
      id_of(endings_,
            "INSERT INTO ending(verdict, partner, partner_hash, refused_by, result_type, reason_code) "
            "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET verdict=verdict RETURNING id",
            {std::string(word_of(ending.verdict)), ending.partner, ending.partner_hash, ending.refused_by,
             ending.result_type, ending.reason_code});
  if (!ending_row) return ending_row.error();
  const auto relay = name_id(session.policy_domain);
  if (!relay) return relay.error();
  const auto mx = name_id(session.mx_host);
  if (!mx) return mx.error();

  auto count = file_.statement(
      "INSERT INTO session VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET "
      "handshakes = handshakes + ?7, reuses = reuses + ?8, first = min(first, ?9), last = max(last, ?10)");
  if (!count) return count.error();
  count->bind(1, *domain).bind(2, day).bind(3, *relay).bind(4, *mx).bind(5, *facts).bind(6, *ending_row);
  count->bind(7, static_cast<std::int64_t>(counted.handshakes))
      .bind(8, static_cast<std::int64_t>(counted.reuses));
  return count->bind(9, second_of(counted.first)).bind(10, second_of(counted.last)).done();
}

void Store::forget_ids() {
  for (Ids* ids : {&names_, &certificates_, &facts_, &endings_}) ids->clear();
}

Expected<void> Store::add(const std::vector<Session>& sessions) {
  return add(std::vector<Counted>(sessions.begin(), sessions.end()));
}

Expected<void> Store::add(const std::vector<Counted>& sessions) {
  if (std::exchange(generation_, file_.generation()) != file_.generation()) forget_ids();  // another file's
  auto added = file_.in_transaction([&]() -> Expected<void> {
    for (const Counted& counted : sessions)
      if (auto one = add_one(counted); !one) return one;
    return {};
  });
  if (!added) forget_ids();  // those of rows that were rolled back
  return added;
}

Expected<void> Store::forget_before(SystemTime day) {
  forget_ids();
  return file_.in_transaction([&]() -> Expected<void> {
    for (const char* sql : {"DELETE FROM session WHERE day < ?1", "DELETE FROM left_out WHERE day < ?1"}) {
      auto remove = file_.statement(sql);
      if (!remove) return remove.error();
      if (auto done = remove->bind(1, day_of(day)).done(); !done) return done;
    }
    return file_.run(
        "DELETE FROM facts WHERE id NOT IN (SELECT facts FROM session);"
        "DELETE FROM certificate WHERE id NOT IN (SELECT certificate FROM facts);"
        "DELETE FROM ending WHERE id NOT IN (SELECT ending FROM session);"
        "DELETE FROM name WHERE id NOT IN (SELECT domain FROM session UNION SELECT policy_domain FROM "
        "session "
        "UNION SELECT mx FROM session UNION SELECT domain FROM left_out)");
  });
}

// --- reading -------------------------------------------------------------------------------------------------------

struct Store::Reading {
  Reading(FactsReader facts_, const std::function<void(Recorded&&)>& see_)
      : facts(std::move(facts_)), see(see_) {}
  Found found;
  FactsReader facts;
  const std::function<void(Recorded&&)>& see;
  std::size_t rows = 0;
};

Expected<void> Store::read_rows(sqlite::Statement& rows, Reading& reading) {
  while (true) {
    const auto row = rows.row();
    if (!row) return row.error();
    if (!*row) return {};
    if (reading.rows++ >= most_rows) {
      reading.found.cut = true;
      return {};
    }
    Recorded recorded;
    recorded.recipient_domain = rows.text(0);
    recorded.policy_domain = rows.text(1);
    recorded.mx_host = rows.text(2);
    auto facts = reading.facts.of(rows.number(3));
    if (!facts) return facts.error();
    recorded.facts = std::move(*facts);
    const auto verdict = verdict_named(rows.text(4));
    const std::int64_t handshakes = rows.number(10), reuses = rows.number(11);
    if (!recorded.facts || !verdict || handshakes < 0 || reuses < 0 || recorded.recipient_domain.empty()) {
      ++reading.found.damaged;
      continue;
    }
    recorded.ending.verdict = *verdict;
    recorded.ending.partner = rows.text(5);
    recorded.ending.partner_hash = rows.text(6);
    recorded.ending.refused_by = rows.text(7);
    recorded.ending.result_type = rows.text(8);
    recorded.ending.reason_code = rows.text(9);
    recorded.handshakes = static_cast<std::uint64_t>(handshakes);
    recorded.reuses = static_cast<std::uint64_t>(reuses);
    recorded.first = SystemTime(std::chrono::seconds(rows.number(12)));
    recorded.last = SystemTime(std::chrono::seconds(rows.number(13)));
    reading.see(std::move(recorded));
  }
}

Expected<Found> Store::find(const Query& query) {
  std::vector<Recorded> sessions;
  auto found = read(query, most_rows, [&](Recorded&& recorded) { sessions.push_back(std::move(recorded)); });
  if (found) found->sessions = std::move(sessions);
  return found;
}

Expected<Found> Store::each(const Query& query, const std::function<void(const Recorded&)>& see) {
  constexpr std::size_t most_known = 4096;  // facts: those of a domain lie together
  return read(query, most_known, [&](Recorded&& recorded) { see(recorded); });
}

Expected<Found> Store::read(const Query& query, std::size_t most_known,
                            const std::function<void(Recorded&&)>& see) {
  // Which domains, first: a rule covers few of the many that a relay knows.
  std::vector<std::pair<std::int64_t, std::string>> wanted;
  {
    auto names = file_.statement("SELECT id, name FROM name ORDER BY name");
    if (!names) return names.error();
    while (true) {
      const auto row = names->row();
      if (!row) return row.error();
      if (!*row) break;
      std::string name = names->text(1);
      if (!query.wanted || query.wanted(name)) wanted.emplace_back(names->number(0), std::move(name));
    }
  }
  auto rows = file_.statement(
      "SELECT d.name, p.name, m.name, s.facts, e.verdict, e.partner, e.partner_hash, e.refused_by, "
      "e.result_type, e.reason_code, sum(s.handshakes), sum(s.reuses), min(s.first), max(s.last) "
      "FROM session s JOIN name d ON d.id=s.domain JOIN name p ON p.id=s.policy_domain "
      "JOIN name m ON m.id=s.mx JOIN ending e ON e.id=s.ending "
      "WHERE s.domain=?1 AND s.day>=?2 GROUP BY s.policy_domain, s.mx, s.facts, s.ending ORDER BY m.name");
  auto through = file_.statement(
      "SELECT DISTINCT d.id, d.name FROM session s JOIN name d ON d.id=s.domain "
      "WHERE s.policy_domain=?1 AND s.policy_domain<>s.domain AND s.day>=?2");
  auto left_out =
      file_.statement("SELECT coalesce(sum(sessions), 0) FROM left_out WHERE domain=?1 AND day>=?2");
  if (!rows || !through || !left_out) return file_.failure("read");

  const std::int64_t since = day_of(query.since);
  std::unordered_map<std::int64_t, bool> domains;
  std::vector<std::int64_t> order;
  for (const auto& [id, name] : wanted) {
    if (domains.emplace(id, true).second) order.push_back(id);
    if (!query.wanted) continue;  // all are there already
    through->reset().bind(1, id).bind(2, since);
    while (true) {
      const auto row = through->row();
      if (!row) return row.error();
      if (!*row) break;
      if (domains.emplace(through->number(0), true).second) order.push_back(through->number(0));
    }
  }
  auto facts = FactsReader::over(file_, most_known);
  if (!facts) return facts.error();
  Reading reading(std::move(*facts), see);
  for (const std::int64_t id : order) {
    rows->reset().bind(1, id).bind(2, since);
    if (auto read = read_rows(*rows, reading); !read) return read.error();
    const auto some = left_out->reset().bind(1, id).bind(2, since).row();
    if (!some) return some.error();
    if (*some)
      reading.found.left_out += static_cast<std::uint64_t>(std::max<std::int64_t>(0, left_out->number(0)));
    if (reading.found.cut) break;
  }
  return std::move(reading.found);
}

}  // namespace sealpost::history
