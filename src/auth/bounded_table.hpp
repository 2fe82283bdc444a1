// SPDX-License-Identifier: Apache-2.0
//
// What is remembered of many, and of no more than so many: when a further one comes, who was not spoken of for longest is
// forgotten.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace sealpost::auth {

template <class Value>
class BoundedTable {
 public:
  explicit BoundedTable(std::size_t most) : most_(most) {}

  // Made when it is not there. Valid until the next call.
  Value& at(const std::string& key) {
    const auto known = index_.find(key);
    if (known != index_.end()) {
      order_.splice(order_.begin(), order_, known->second);
      return order_.front().second;
    }
    if (index_.size() >= most_) {
      index_.erase(order_.back().first);
      order_.pop_back();
      ++forgotten_;
    }
    order_.emplace_front(key, Value());
    index_.emplace(key, order_.begin());
    return order_.front().second;
  }
  Value* find(const std::string& key) noexcept {
    const auto known = index_.find(key);
    return known == index_.end() ? nullptr : &known->second->second;
  }
  void erase(const std::string& key) {
    const auto known = index_.find(key);
    if (known == index_.end()) return;
    order_.erase(known->second);
    index_.erase(known);
  }
  std::size_t size() const noexcept { return index_.size(); }
  std::size_t forgotten() const noexcept { return forgotten_; }
  template <class F>
  void for_each(F work) const {
    for (const auto& [key, value] : order_) work(key, value);
  }

 private:
  using Order = std::list<std::pair<std::string, Value>>;
  const std::size_t most_;
  std::size_t forgotten_ = 0;
  Order order_;  // the newest first
  std::unordered_map<std::string, typename Order::iterator> index_;
};

}  // namespace sealpost::auth
