// SPDX-License-Identifier: Apache-2.0
#include "ledger/questions.hpp"

#include <fstream>
#include <iterator>

#include "ledger/words.hpp"
#include "samples.hpp"

using namespace sealpost;
using namespace sealpost::ledger;
using spool::RecipientState;
using test::accepted;
using test::ended;
using test::id_of;
using test::noon;
using test::Scene;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

namespace {

constexpr std::uint32_t messages_a_day = 300;

const char* const proof =
    R"({"domain":"example.org","partner":"Noord","verdict":"deliver","demands":[{"source":"partner","origin":"Noord","asks":["starttls","webpki"],"note":"exception until 12-01","failures":[]}],"facts":{"session":{"starttls":"established","version":772,"cipher":"TLS_AES_256_GCM_SHA384"}},"certificate":{"sha256":"0123456789abcdef00","subject":"mx.example.org"}})";

// Two days of mail to twenty people, of which the third waits once; the notification of each hundredth.
void fill_with_mail(LedgerFollower& follower, Scene& scene) {
  for (std::uint32_t day = 0; day < 2; ++day)
    for (std::uint32_t i = 0; i < messages_a_day; ++i) {
      const SystemTime when = noon + std::chrono::days(day) + std::chrono::seconds(i);
      const MessageId id = id_of(i, when);
      const std::string to = "User" + std::to_string(i % 20) + "@example.org";
      std::vector<spool::JournalEntry> entries{accepted(id, {to}, when)};
      std::get<spool::MessageRecord>(entries[0].record).envelope.message_id[1] =
          static_cast<std::uint8_t>(i % 250);
      if (i % 20 == 3) entries.push_back(ended(id, {0}, RecipientState::pending, when + 1s));
      if (i % 100 == 99) {
        auto notice = accepted(id_of(5000 + i, when + 2s), {"Alice@example.com"}, when + 2s);
        std::get<spool::MessageRecord>(notice.record).envelope.message_class = MessageClass::dsn;
        std::get<spool::MessageRecord>(notice.record).envelope.reverse_path.clear();
        entries.push_back(std::move(notice));
        entries.push_back(ended(id, {0}, RecipientState::failed, when + 2s));
      } else {
        entries.push_back(ended(id, {0}, RecipientState::delivered, when + 2s, test::proof_of(proof)));
      }
      REQUIRE(follower.apply(entries, scene.next()));
    }
}

Words kinds_of(const std::vector<FoundRow>& rows) {
  Words kinds;
  for (const FoundRow& row : rows) kinds.push_back(row.payload.at("k"));
  return kinds;
}

}  // namespace

TEST_CASE("the trail of a message is all its rows and the notifications it caused") {
  Scene scene;
  auto follower = scene.follower();
  fill_with_mail(follower, scene);
  auto reader = Reader::open(scene.path());
  REQUIRE(reader);
  Questions questions(*reader);
  const auto trail_of = [&](std::uint32_t i, unsigned day) {
    auto trail = questions.trail(id_of(i, noon + std::chrono::days(day) + std::chrono::seconds(i)));
    REQUIRE(trail);
    return *trail;
  };
  CHECK(kinds_of(trail_of(3, 0)) == Words{"accepted", "deferred", "delivered"});
  CHECK(kinds_of(trail_of(283, 1)) == Words{"accepted", "deferred", "delivered"});
  const auto failed = trail_of(99, 0);
  CHECK(kinds_of(failed) == Words{"accepted", "failed", "accepted"});
  CHECK(in_words(failed[2]).find("a notification to the sender was made") == 0);
  CHECK(questions.trail(id_of(3, noon + 500s))->empty());
  const auto delivered = trail_of(5, 0).back();
  CHECK(in_words(delivered) ==
        "delivered: User5@example.org, by mx.example.org [198.51.100.1]: 250 2.0.0 Ok: queued\n"
        "  partner Noord asks starttls webpki (exception until 12-01); TLSv1.3 TLS_AES_256_GCM_SHA384; "
        "certificate "
        "0123456789abcdef of mx.example.org; deliver");
  const Json shown = described(delivered);
  CHECK(shown.at("recipient") == "User5@example.org");
  CHECK(shown.at("proof").at("partner") == "Noord");
  CHECK(shown.at("time") == "2026-11-30T12:00:07Z");
}

TEST_CASE("messages are found by recipient, in whatever case, and by Message-ID") {
  Scene scene;
  auto follower = scene.follower();
  fill_with_mail(follower, scene);
  auto reader = Reader::open(scene.path());
  Questions questions(*reader);
  const auto all = questions.for_recipient("user7@EXAMPLE.org", "", "", 1000);
  REQUIRE(all);
  CHECK(all->size() == 2 * messages_a_day / 20);
  CHECK(all->front().time() > all->back().time());
  CHECK(questions.for_recipient("user7@example.org", "2026-12-01", "", 1000)->size() == messages_a_day / 20);
  CHECK(questions.for_recipient("user7@example.org", "", "", 4)->size() == 4);
  CHECK(questions.for_recipient("user70@example.org", "", "", 4)->empty());
  CHECK(questions.with_message_id("<nobody@example.org>")->empty());
}

TEST_CASE("rows are listed by day, kind, domain, partner and exception") {
  Scene scene;
  auto follower = scene.follower();
  fill_with_mail(follower, scene);
  auto reader = Reader::open(scene.path());
  Questions questions(*reader);
  const auto count = [&](auto change) {
    Filter filter;
    filter.most = 5;
    change(filter);
    std::size_t seen = 0;
    const auto fitting = questions.each(filter, [&](const FoundRow&) { ++seen; });
    REQUIRE(fitting);
    CHECK(seen == std::min<std::size_t>(*fitting, 5));
    return *fitting;
  };
  const auto failed = [](Filter& filter) { filter.kinds = {"failed"}; };
  CHECK(count(failed) == 6);
  CHECK(count([&](Filter& filter) {
          failed(filter);
          filter.from = filter.to = "2026-11-30";
        }) == 3);
  CHECK(count([](Filter& filter) { filter.domain = "Example.ORG"; }) ==
        2 * (messages_a_day + messages_a_day / 20));
  CHECK(count([](Filter& filter) { filter.domain = "example.com"; }) == 0);
  CHECK(count([](Filter& filter) { filter.partner = "noord"; }) == 2 * (messages_a_day - 3));
  CHECK(count([](Filter& filter) { filter.exceptions = true; }) == 2 * (messages_a_day - 3));
  CHECK(count([](Filter& filter) { filter.refused = true; }) == 0);
}

TEST_CASE("what is erased is gone, the chain is whole, and a row says so") {
  Scene scene;
  {
    auto follower = scene.follower();
    CHECK_FALSE(follower.erase_address("user7@example.org"));  // there is nothing yet
    fill_with_mail(follower, scene);
    const auto erased = follower.erase_address("USER7@example.org");
    REQUIRE(erased);
    CHECK(erased->rows == 2 * messages_a_day / 20);
    CHECK(follower.erase_address("nobody@example.org")->rows == 0);
    CHECK(follower.erase_before("2026-12-01")->days == 1);
    CHECK(follower.erase_before("2027-12-01")->days == 0);  // the open day stays
  }
  CHECK(scene.verified().whole());
  CHECK(scene.verified().erased_days == 1);
  const auto last = scene.payloads();
  CHECK(last[last.size() - 2].find("{\"k\":\"erased\"") == 0);
  auto reader = Reader::open(scene.path());
  Questions questions(*reader);
  CHECK(questions.for_recipient("user8@example.org", "", "", 1000)->size() == messages_a_day / 20);
  // By its keyed hash it is still known on the day whose key is left; the text is gone on both.
  CHECK(questions.for_recipient("user7@example.org", "", "", 1000)->size() == messages_a_day / 20);
  std::size_t rows = 0;
  const auto days = reader->days();
  REQUIRE(days);
  for (const auto& day : *days)
    REQUIRE(reader->rows_of_day(day.number, [&](const ReadRow& row) {
      ++rows;
      if (day.number == 1) CHECK_FALSE(row.address);
      CHECK((!row.address || row.address->find("User7@") == std::string_view::npos));
      return true;
    }));
  CHECK(rows == last.size());
  std::ifstream file(scene.path(), std::ios::binary);
  const std::string octets{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  CHECK(octets.find("User7@") == std::string::npos);
}
