// SPDX-License-Identifier: Apache-2.0
//
// Expected<T, E>: a value, or the reason there is none. The subset of C++23's std::expected that sealpost
// uses, with the standard member names, so that it can be replaced by it. Mail failing is normal work:
// timeouts, refusals and bad input travel in this type; exceptions are left for a broken host.
#pragma once

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "sealpost/error.hpp"

namespace sealpost {

template <class E>
class Unexpected {
 public:
  explicit Unexpected(E error) : error_(std::move(error)) {}
  const E& error() const& noexcept { return error_; }
  E&& error() && noexcept { return std::move(error_); }

 private:
  E error_;
};

template <class T, class E = Error>
class [[nodiscard]] Expected {
 public:
  using value_type = T;
  using error_type = E;

  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Expected(Unexpected<E> error) : state_(std::in_place_index<1>, std::move(error).error()) {}  // NOLINT
  Expected(E error)  // NOLINT: implicit
      requires(!std::is_same_v<T, E>)
      : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & noexcept { return *get(); }
  const T& value() const& noexcept { return *get(); }
  T&& value() && noexcept { return std::move(*get()); }
  T& operator*() & noexcept { return *get(); }
  const T& operator*() const& noexcept { return *get(); }
  T&& operator*() && noexcept { return std::move(*get()); }
  T* operator->() noexcept { return get(); }
  const T* operator->() const noexcept { return get(); }

  E& error() & noexcept { return *get_error(); }
  const E& error() const& noexcept { return *get_error(); }
  E&& error() && noexcept { return std::move(*get_error()); }

  template <class U>
  T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }

 private:
  T* get() noexcept {
    assert(has_value());
    return std::get_if<0>(&state_);
  }
  const T* get() const noexcept {
    assert(has_value());
    return std::get_if<0>(&state_);
  }
  E* get_error() noexcept {
    assert(!has_value());
    return std::get_if<1>(&state_);
  }
  const E* get_error() const noexcept {
    assert(!has_value());
    return std::get_if<1>(&state_);
  }

  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Expected<void, E> {
 public:
  using value_type = void;
  using error_type = E;

  Expected() noexcept = default;
  Expected(Unexpected<E> error)
      : error_(std::move(error).error()) {}        // NOLINT: implicit, as in std::expected
  Expected(E error) : error_(std::move(error)) {}  // NOLINT

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const noexcept { assert(has_value()); }
  E& error() & noexcept { return *error_; }
  const E& error() const& noexcept { return *error_; }
  E&& error() && noexcept { return std::move(*error_); }

 private:
  std::optional<E> error_;
};

}  // namespace sealpost
