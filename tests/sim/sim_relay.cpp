// SPDX-License-Identifier: Apache-2.0
#include "sim_relay.hpp"

#include "base/random.hpp"
#include "event/run.hpp"
#include "ledger.hpp"
#include "planted.hpp"
#include "queue/filter.hpp"
#include "spool/driver.hpp"

namespace sealpost::sim {

namespace {

using namespace std::chrono_literals;

constexpr auto sync_time = 2ms;
constexpr std::size_t workers = 2;
constexpr const char* hostname = "relay.origin.example";

// Few places for each lane, so that a day's mail is enough for some to be lent to the other worker.
queue::ShardSettings shard_settings() {
  queue::ShardSettings settings;
  settings.concurrency = queue::Concurrency::Bounds(2, 6, 12);
  settings.lend_from = 2;
  return settings;
}

queue::ScheduleSettings schedule_settings() {
  queue::ScheduleSettings settings;
  settings.lifetime = std::chrono::days(2);
  return settings;
}

delivery::RulesPtr rules_for(const World& world, Plant plant) {
  auto rules = std::make_shared<delivery::Rules>();
  rules->settings.hostname = hostname;
  rules->settings.schedule = queue::Schedule(schedule_settings());
  rules->settings.routing.own_names = {hostname};
  rules->settings.routing.allow_destinations = {*Network::parse("198.51.100.0/24")};
  if (plant != Plant::no_partners) rules->partners = world.partner_rules();
  return rules;
}

event::Task<std::string> read_body(std::unique_ptr<spool::BodyReader> reader) {
  std::string text;
  for (;;) {
    const auto piece = co_await reader->next();
    if (!piece || piece->empty()) co_return text;
    text += *piece;
  }
}

}  // namespace

class SimRelay::Sink final : public intake::Sink {
 public:
  explicit Sink(queue::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
  void accepted(spool::StoredMessagePtr message) override { dispatcher_.accepted(message); }

 private:
  queue::Dispatcher& dispatcher_;
};

class SimRelay::Recorder final : public tlsrpt::Recorder {
 public:
  void count(tlsrpt::SessionRecord) noexcept override {}
};

// One worker's share, destroyed in the order of app::Worker.
struct SimRelay::Lanes {
  Lanes(World& world, const queue::Schedule& schedule) : shard(world.loop, shard_settings(), schedule) {}
  std::unique_ptr<delivery::Context> context;
  std::unique_ptr<delivery::DeliveryCourier> courier;
  queue::Shard shard;
};

SimRelay::SimRelay(World& world, spool::SimDisk& disk, Plant plant)
    : world_(world),
      disk_(disk),
      plant_(plant),
      clock_(std::make_unique<PlantedClock>(world, plant)),
      driver_(spool::make_loop_driver(world.loop, sync_time)),
      recorder_(std::make_unique<Recorder>()),
      hosts_(20),
      sites_(shard_settings().concurrency),
      notices_(delivery::NoticeSettings()),
      schedule_(schedule_settings()),
      connections_(intake::ConnectionCaps()),
      bodies_(8U << 20),
      scope_(world.loop) {}

SimRelay::~SimRelay() {
  world_.loop.ask_clock(nullptr);
  scope_.cancel();
  acceptor_.reset();
  for (auto& worker : workers_) worker->shard.drain();
  workers_.clear();
}

Expected<std::unique_ptr<SimRelay>> SimRelay::start(World& world, spool::SimDisk& disk, Plant plant) {
  std::unique_ptr<SimRelay> relay(new SimRelay(world, disk, plant));
  if (auto opened = relay->open(); !opened) return std::move(opened).error();
  return relay;
}

spool::SpoolOptions SimRelay::spool_options() {
  spool::SpoolOptions options;
  options.segment_size = 2U << 20;
  options.fresh_limit = 1U << 20;
  options.floor = 0;
  options.floor_percent = 0;
  return options;
}

Expected<void> SimRelay::open() {
  world_.loop.ask_clock(clock_.get());
  auto journal = spool::JournalSpool::open(disk_, *driver_, pool_, spool_options());
  if (!journal) return std::move(journal).error();
  journal_ = std::move(*journal);
  spool_ = std::make_unique<PlantedSpool>(*journal_, plant_, world_.rng.fork());
  sts_ = std::make_unique<PlantedSts>(world_.sts, plant_);

  std::vector<queue::Shard*> shards;
  for (std::size_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<Lanes>(world_, schedule_));
    shards.push_back(&workers_.back()->shard);
  }
  dispatcher_ = std::make_unique<queue::Dispatcher>(std::move(shards), queue::RouteTable(), schedule_);
  const delivery::RulesPtr rules = rules_for(world_, plant_);
  for (auto& worker : workers_) {
    worker->context.reset(new delivery::Context{
        world_.loop, world_.resolver, *sts_, world_.tls, world_.network, *spool_, *recorder_, *dispatcher_,
        hosts_, nx_guard_, totals_, [] { return static_cast<std::uint32_t>(random_below(1ULL << 32)); },
        nullptr, &notices_, &sites_});
    worker->courier = std::make_unique<delivery::DeliveryCourier>(*worker->context, rules);
    worker->shard.start(*worker->courier);
  }
  sink_ = std::make_unique<Sink>(*dispatcher_);
  scope_.spawn(record_clock());
  begin_mail();
  return {};
}

event::Task<void> SimRelay::record_clock() {
  for (;;) {
    world_.clock_record = clock_->to_record();
    co_await event::sleep_for(world_.loop, 1min);
  }
}

void SimRelay::begin_mail() {
  if (plant_ == Plant::no_probation) {
    dispatcher_->recovered(spool_->take_recovered());
  } else {
    probation_ = std::make_unique<queue::Probation>(world_.loop, *spool_, *dispatcher_);
    probation_->begin(spool_->take_recovered());
    scope_.spawn(probation_->run());
  }
  intake::RelayRules relay_rules;
  relay_rules.allow = {*Network::parse("192.0.2.0/24")};
  relay_rules.hostname = hostname;
  auto settings = std::make_shared<intake::Settings>(std::move(relay_rules));
  auto server = std::make_shared<smtp::ServerOptions>();
  server->hostname = hostname;
  settings->server = std::move(server);
  const intake::Services services(*spool_, *sink_, connections_, bodies_, counters_);
  acceptor_ = std::make_unique<intake::Acceptor>(world_.loop, services, std::move(settings));
}

event::Task<Expected<void>> SimRelay::shards_joined() {
  for (auto& worker : workers_) co_await worker->shard.join();
  co_return Expected<void>();
}

event::Task<void> SimRelay::drain(Duration grace) {
  journal_->drain();
  if (acceptor_) co_await acceptor_->drain(grace);
  scope_.cancel();
  for (auto& worker : workers_) worker->shard.drain();
  const Expected<void> ended = co_await event::within(world_.loop, grace, shards_joined());
  static_cast<void>(ended);
  for (auto& worker : workers_) worker->courier->close_idle();
  co_await event::sleep_for(world_.loop, 1s);  // outcomes on their way
  journal_->close();
}

// ---- what is left -----------------------------------------------------------------------------------------------

std::set<std::pair<std::string, std::string>> SimRelay::unfinished(
    spool::Spool& spool, event::SimLoop& loop, const std::vector<spool::StoredMessagePtr>& messages) {
  std::set<std::pair<std::string, std::string>> queue;
  for (const auto& message : messages) {
    const std::string text = event::run_until_done(loop, read_body(spool.open(loop, message)));
    const std::string token = Ledger::token_of(text);
    for (std::size_t i = 0; i < message->envelope.recipients.size(); ++i) {
      if (spool::is_final(message->progress[i].state)) continue;
      if (message->envelope.message_class == MessageClass::dsn) {
        // A notification in the queue stands for the recipients it speaks of.
        for (const std::string& failed : Ledger::failed_recipients(text)) queue.emplace(token, failed);
      } else {
        queue.emplace(token, message->envelope.recipients[i].address);
      }
    }
  }
  return queue;
}

std::string SimRelay::stranded() const {
  const SystemTime latest = world_.loop.date() + schedule_.longest_gap() + 1min;
  for (const auto& worker : workers_)
    for (const auto& entry :
         worker->shard.list(queue::Filter(), SIZE_MAX, queue::Shard::Why::left_out).entries)
      if (entry.state != "held" && entry.next_attempt > latest)
        return entry.id + " to " + entry.recipient + " until " + to_rfc3339(entry.next_attempt);
  return {};
}

std::string SimRelay::blamed() const {
  queue::Filter limited;
  limited.domain = "limited.example";
  const std::string blame = "had trouble: 421 " + std::string(World::enough);
  for (const auto& worker : workers_)
    for (const auto& entry : worker->shard.list(limited, SIZE_MAX).entries)
      if (entry.why.find(blame) != entry.why.npos) return entry.why;
  return {};
}

std::vector<std::string> SimRelay::still_waiting(const std::vector<spool::StoredMessagePtr>& messages) {
  std::vector<std::string> waiting;
  for (const auto& message : messages) {
    if (message->held) continue;
    for (std::size_t i = 0; i < message->envelope.recipients.size(); ++i)
      if (message->progress[i].state == spool::RecipientState::pending)
        waiting.push_back(message->id.to_string() + " to " + message->envelope.recipients[i].address);
  }
  return waiting;
}

Expected<SimRelay::Rest> SimRelay::read_queue(event::SimLoop& loop, spool::SimDisk& disk) {
  event::InlinePool pool;
  const auto driver = spool::make_loop_driver(loop, sync_time);
  auto journal = spool::JournalSpool::open(disk, *driver, pool, spool_options());
  if (!journal) return std::move(journal).error();
  const auto messages = (*journal)->take_recovered();
  return Rest{unfinished(**journal, loop, messages), still_waiting(messages)};
}

}  // namespace sealpost::sim
