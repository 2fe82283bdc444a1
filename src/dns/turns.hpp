// SPDX-License-Identifier: Apache-2.0
//
// Whose question is put to the servers next. Questions are counted by their owner, the domain they lie below: a stranger
// whose names are answered slowly, or not at all, fills a part of the places and no more, and when all are taken owners
// get theirs in turn, however many names one of them has (T-42). One loop only.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "event/wait.hpp"

namespace sealpost::dns {

// "example.org" for "_25._tcp.mx.example.org", "example.co.uk" below what looks like a country's second level. A guess
// is enough: it decides who waits for whom, nothing else.
std::string owner_of(std::string_view name);

class Turns {
 public:
  struct Limits {
    Limits() = default;
    std::size_t in_all = 2000;             // questions at the servers
    std::size_t per_owner = 500;           // of one owner
    std::size_t waiting_per_owner = 4000;  // further ones get no place
  };
  class Wait;
  // Held while the question is out; false: there were too many before it.
  class Place {
   public:
    Place() noexcept = default;
    Place(Place&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), owner_(std::move(other.owner_)) {}
    Place& operator=(Place&&) = delete;
    ~Place();
    explicit operator bool() const noexcept { return turns_ != nullptr; }

   private:
    friend class Turns;
    Place(Turns& turns, std::string owner) : turns_(&turns), owner_(std::move(owner)) {}
    Turns* turns_ = nullptr;
    std::string owner_;
  };

  Turns(event::Loop& loop, const Limits& limits) noexcept : loop_(loop), limits_(limits) {}
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  Wait place_for(std::string_view name);  // co_await gives the Place

  struct Counters {
    std::uint64_t waited = 0, refused = 0;
  };
  const Counters& counters() const noexcept { return counters_; }
  std::size_t in_use() const noexcept { return in_use_; }
  std::size_t waiting() const noexcept { return waiting_; }

 private:
  struct Owner {
    std::size_t in_use = 0;
    std::list<Wait*> waiting;
    bool listed = false;  // in next_
  };
  using Owners = std::unordered_map<std::string, Owner>;
  bool take(const std::string& name);
  void list(Owners::value_type& owner);
  void give_back(const std::string& name) noexcept;
  void grant();
  void forget(Owners::iterator owner);

  event::Loop& loop_;
  const Limits limits_;
  Counters counters_;
  std::size_t in_use_ = 0, waiting_ = 0;
  Owners owners_;                        // those with a place or waiting for one
  std::list<Owners::value_type*> next_;  // those who wait and may have one more, in turn
};

class Turns::Wait final : public event::Waiter {
 public:
  Wait(Turns& turns, std::string owner) : Waiter(turns.loop_), turns_(turns), owner_(std::move(owner)) {}
  ~Wait();
  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Place await_resume();

 private:
  friend class Turns;
  Turns& turns_;
  std::string owner_;
  bool waits_ = false, granted_ = false;
};

}  // namespace sealpost::dns
