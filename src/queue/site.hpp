// SPDX-License-Identifier: Apache-2.0
//
// A site: the hosts that the mail of several domains goes to. Its lanes, of whichever workers, share what concerns the hosts:
// how many connections they get (concurrency.hpp), and the turns for them. A lane joins when its courier has learned the
// MX set, holds one place for each of its couriers, and gives places up when others of the site wait that have fewer: at once
// one that it has more, its last one after a while. A domain with a million messages leaves its neighbours their places, and
// so do twenty of them.
//
//   const bool goes_on = lane.at_site(sites.at("mx1.example mx2.example"));  // a courier, with its plan
//
// The lanes of a domain whose connections an operator has limited share these likewise: a site of a fixed size.
//
// Shared by all workers: a lock, held for a few look-ups. Bounded: 10,000 sites, or twice as many as have a lane.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "queue/concurrency.hpp"

namespace sealpost::queue {

class Site {
 public:
  Site(std::string name, const Concurrency::Bounds& bounds)
      : name_(std::move(name)), bounds_(bounds), concurrency_(bounds) {}
  // What an operator allows to a domain, in which limit: so many, for good.
  Site(std::string name, std::uint32_t places, std::string by)
      : name_(std::move(name)),
        bounds_(places, places, places),
        fixed_(true),
        concurrency_(bounds_),
        most_by_(std::move(by)) {}
  const std::string& name() const noexcept { return name_; }
  bool fixed() const noexcept { return fixed_; }

  // What an operator allows, from now on; nothing: what is allowed to all.
  // `by`: what says so.
  void set_most(std::uint32_t most, std::string by);
  void set_most();
  // Who set the bound that it has reached; empty: nobody, or it has not.
  std::string limited_by() const;
  std::uint32_t places() const;  // for all of its lanes
  std::uint32_t in_use() const;

  // A lane's part in it. Used on the lane's own loop.
  class Seat {
   public:
    // `places`: in use already. `rouse` is called on any thread and posts: there may be a place for this lane.
    Seat(std::shared_ptr<Site> site, std::uint32_t places, std::function<void()> rouse);
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    Site& site() const noexcept { return *site_; }
    // One place more. False: there is none, and the lane waits for its turn.
    bool take();
    void give_back(std::uint32_t places);
    bool waits() const;
    // The lane has been roused, and has taken a place or not: the next one may have what is left.
    void pass_on();
    // Another one waits that has fewer, by more than one unless this lane has been served long; or more places are in use
    // than there are.
    enum class Served : std::uint8_t { lately, long_enough };
    bool wanted_back(Served served) const;
    // What it holds fits in, or has worked already.
    bool fits() const;

    void worked(SystemTime now, Duration took, std::size_t due);
    void lost(SystemTime now);
    // False: nobody else of the site has a connection, so there is none to wait for.
    bool crowded(SystemTime now);
    void begin_anew();  // unless other lanes are at work there

   private:
    friend class Site;
    class Change;  // keeps the site's count of busy lanes
    bool in_row() const noexcept { return row_ != nullptr; }
    bool busy() const noexcept { return places_ > 0 || in_row() || roused_; }
    void enter_row();
    void leave_row();

    const std::shared_ptr<Site> site_;
    const std::function<void()> rouse_;
    // The site's lock guards what follows.
    std::uint32_t places_;
    std::size_t due_ = 0;
    bool worked_ = false;
    bool roused_ = false;              // a place is kept until it has asked for it
    std::list<Seat*>* row_ = nullptr;  // where it waits; null: it does not
    std::list<Seat*>::iterator in_row_{};
  };

 private:
  // Under the lock.
  Seat* poorest(const Seat* except) const noexcept;  // of those that wait
  void rouse_next();
  void set_most_locked(std::uint32_t most, std::string by);

  const std::string name_;
  const Concurrency::Bounds bounds_;
  const bool fixed_ = false;
  mutable std::mutex mutex_;  // guards what follows
  Concurrency concurrency_;
  std::string most_by_;
  std::uint32_t in_use_ = 0, kept_ = 0;  // kept: for those who were roused
  std::uint32_t busy_ = 0;               // lanes
  std::size_t due_ = 0;
  std::list<Seat*> empty_handed_, others_;  // that wait: they have no place, or want more
  std::atomic<bool> pressed_{false};        // is there anything that every message must look at the rest for?
};
using SitePtr = std::shared_ptr<Site>;

class Sites {
 public:
  explicit Sites(const Concurrency::Bounds& bounds) : bounds_(bounds) {}
  SitePtr at(const std::string& name);
  // Fixed. Another limit, or another number, is another site.
  SitePtr of_domain(const std::string& domain, std::uint32_t places, const std::string& by);
  std::vector<SitePtr> all() const;
  std::size_t size() const;

 private:
  template <class Make>
  SitePtr find(const std::string& name, const Make& make);
  static constexpr std::size_t most_remembered = 10'000;
  const Concurrency::Bounds bounds_;
  mutable std::mutex mutex_;  // guards what follows
  std::size_t look_through_at_ = most_remembered;
  std::unordered_map<std::string, SitePtr> sites_;
};

}  // namespace sealpost::queue
