// SPDX-License-Identifier: Apache-2.0
#include "rule_trial.hpp"

#include <doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "app/in_force.hpp"
#include "partner/partner_file.hpp"
#include "partner/rule_keeper.hpp"

namespace sealpost::app::test {
namespace {

namespace fs = std::filesystem;
using Moment = RuleKeeper::Moment;

const SystemTime now{std::chrono::sys_days{std::chrono::year{2026} / 11 / 29}};
constexpr std::array levels{"opportunistic", "encrypt", "verify"};

PartnerLevel level_of(const std::vector<PartnerRule>& rules) {
  const PartnerRule* found = find_partner(rules, "n.test", now);
  return found == nullptr ? PartnerLevel::opportunistic : found->level;
}

class Trial {
 public:
  Trial(RulePlant plant, unsigned seed) : plant_(plant), random_(seed) {
    char name[] = "/tmp/sealpost-trial-XXXXXX";
    folder_ = ::mkdtemp(name);
    fs::create_directory(folder_ + "/policies");
    fs::create_directory(folder_ + "/data");
    write(2);
    start();
  }
  ~Trial() { fs::remove_all(folder_); }

  std::string run() {
    for (int i = 0; i < 40 && lowered_.empty(); ++i) step();
    return lowered_;
  }

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  std::string file() const { return folder_ + "/policies/p.toml"; }

  void write(unsigned level) {
    std::ofstream(file()) << "[[partner]]\nname = \"Far\"\ndomains = [\"far.test\"]\ntls = \"encrypt\"\n"
                          << "[[partner]]\nname = \"N\"\ndomains = [\"n.test\"]\ntls = \"" << levels[level]
                          << "\"\n";
  }

  void step() {
    switch (pick(8)) {
      case 0: write(2); break;
      case 1: write(pick(2)); break;
      case 2: std::ofstream{file()}; break;
      case 3:
        fs::resize_file(file(), fs::file_size(file()) / 2);
        break;  // parses with fewer rules, or not at all
      case 4: damage(); break;
      case 5: return start();
      default: return reload();
    }
  }

  void damage() {
    const std::string records = folder_ + "/data/rules-in-force/";
    for (const char* name : {"current.json", "copy.json"})
      if (pick(2) == 0 && fs::exists(records + name)) fs::resize_file(records + name, 10);
  }

  bool read(Config& config) {
    PartnerFiles files = read_partner_directory(folder_ + "/policies", now);
    config.source = "c.toml";
    config.partners = std::move(files.rules);
    return !has_errors(files.findings) || plant_ == RulePlant::empty_file_is_no_rules;
  }

  void start() {
    in_force_.set(nullptr);
    Config wanted;
    if (!read(wanted)) return;  // nothing is started
    if (plant_ == RulePlant::unreadable_record_is_none &&
        RulesStore(folder_ + "/data").load().state == RulesStore::Found::State::unreadable)
      fs::remove_all(folder_ + "/data/rules-in-force");
    go(wanted, Moment::start,
       plant_ == RulePlant::start_weaker_silently || plant_ == RulePlant::empty_file_is_no_rules);
  }

  void reload() {
    if (in_force_.get() == nullptr) return start();
    Config wanted;
    if (!read(wanted)) return;
    const bool was_held = !in_force_.get()->config.delivery.hold_all.empty();
    const auto attempt = in_force_.get();  // one that began before
    const PartnerLevel began_with = level_of(attempt->config.partners);
    go(wanted, Moment::reload,
       !was_held &&
           (plant_ == RulePlant::reload_weaker_silently || plant_ == RulePlant::empty_file_is_no_rules));
    if (level_of(attempt->config.partners) != began_with) lowered_ = "an attempt's rules changed under it";
  }

  void go(const Config& wanted, Moment moment, bool as_it_stands) {
    if (moment == Moment::start) keeper_ = std::make_unique<RuleKeeper>(folder_ + "/data", health_);
    const auto admission = keeper_->admit(wanted, now);
    auto next = std::make_shared<InForce>();
    next->config = as_it_stands ? wanted : admission.guarded.config;
    const bool crash = pick(4) == 0;  // between the record and its use, or the other way round
    if (plant_ == RulePlant::record_after_use) {
      use(next);
      if (crash) return in_force_.set(nullptr);
    }
    if (!keeper_->commit(admission, moment, now)) return;
    if (crash) return in_force_.set(nullptr);
    if (plant_ == RulePlant::mutate_in_place && in_force_.get() != nullptr)
      const_cast<InForce&>(*in_force_.get()).config = next->config;
    else
      use(next);
  }

  void use(std::shared_ptr<const InForce> next) {
    if (next->config.delivery.hold_all.empty()) {
      const PartnerLevel level = level_of(next->config.partners);
      if (level < floor_) lowered_ = "mail to n.test at " + std::string(sealpost::name_of(level));
      floor_ = std::max(floor_, level);
    }
    in_force_.set(std::move(next));
  }

  RulePlant plant_;
  std::mt19937 random_;
  std::string folder_, lowered_;
  Health health_;
  std::unique_ptr<RuleKeeper> keeper_;  // of the process that lives
  Published<InForce> in_force_;
  PartnerLevel floor_ = PartnerLevel::opportunistic;  // what mail had to meet once, and no file took back
};

}  // namespace

std::string_view name_of(RulePlant plant) noexcept {
  switch (plant) {
    case RulePlant::none: return "none";
    case RulePlant::empty_file_is_no_rules: return "empty-file-is-no-rules";
    case RulePlant::reload_weaker_silently: return "reload-weaker-silently";
    case RulePlant::start_weaker_silently: return "start-weaker-silently";
    case RulePlant::unreadable_record_is_none: return "unreadable-record-is-none";
    case RulePlant::record_after_use: return "record-after-use";
    case RulePlant::mutate_in_place: return "mutate-in-place";
  }
  return "";
}

std::string rule_trial(RulePlant plant, unsigned seed) { return Trial(plant, seed).run(); }

}  // namespace sealpost::app::test

using namespace sealpost::app::test;

TEST_CASE("T-52 the floor holds through edits, accidents, crashes and damage") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    CHECK(rule_trial(RulePlant::none, seed) == "");
  }
}

TEST_CASE("T-52 every planted fault is found") {
  for (const RulePlant plant : rule_plants) {
    bool found = false;
    for (unsigned seed = 1; seed <= 200 && !found; ++seed) found = !rule_trial(plant, seed).empty();
    CHECK_MESSAGE(found, name_of(plant));
  }
}
