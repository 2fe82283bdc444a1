// SPDX-License-Identifier: Apache-2.0
#include "sealpost/clock.hpp"

#include <fmt/format.h>

#include <array>

#include "base/text.hpp"

namespace sealpost {
namespace {

using namespace std::chrono;

struct Broken {
  explicit Broken(SystemTime time) : day(floor<days>(time)), date(day), clock(floor<seconds>(time) - day) {}
  sys_days day;
  year_month_day date;
  hh_mm_ss<seconds> clock;
  int year() const { return static_cast<int>(date.year()); }
  unsigned month() const { return static_cast<unsigned>(date.month()); }
  unsigned day_of_month() const { return static_cast<unsigned>(date.day()); }
};

// Takes exactly `count` digits off the front of `text`.
std::optional<unsigned> take_digits(std::string_view& text, std::size_t count) noexcept {
  if (text.size() < count) return std::nullopt;
  const auto value = text::parse_u64(text.substr(0, count));
  if (!value) return std::nullopt;
  text.remove_prefix(count);
  return static_cast<unsigned>(*value);
}

bool take(std::string_view& text, char expected) noexcept {
  if (text.empty() || text::lower(text.front()) != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<sys_days> take_date(std::string_view& text) noexcept {
  const auto y = take_digits(text, 4);
  if (!y || !take(text, '-')) return std::nullopt;
  const auto m = take_digits(text, 2);
  if (!m || !take(text, '-')) return std::nullopt;
  const auto d = take_digits(text, 2);
  if (!d) return std::nullopt;
  const year_month_day date(year(static_cast<int>(*y)), month(*m), day(*d));
  if (!date.ok()) return std::nullopt;
  return sys_days(date);
}

std::optional<seconds> take_clock(std::string_view& text) noexcept {
  const auto h = take_digits(text, 2);
  if (!h || !take(text, ':')) return std::nullopt;
  const auto m = take_digits(text, 2);
  if (!m || !take(text, ':')) return std::nullopt;
  const auto s = take_digits(text, 2);
  if (!s || *h > 23 || *m > 59 || *s > 60) return std::nullopt;  // 60: leap second (RFC 3339 §5.7)
  return hours(*h) + minutes(*m) + seconds(*s);
}

std::optional<microseconds> take_fraction(std::string_view& text) noexcept {
  if (!take(text, '.')) return microseconds(0);
  std::int64_t value = 0, unit = 100000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, unit /= 10)
    value += unit * (text[digits] - '0');  // finer than a microsecond: unit is 0
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return microseconds(value);
}

std::optional<minutes> take_zone(std::string_view& text) noexcept {
  if (take(text, 'z')) return minutes(0);
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto h = take_digits(text, 2);
  if (!h || !take(text, ':')) return std::nullopt;
  const auto m = take_digits(text, 2);
  if (!m || *h > 23 || *m > 59) return std::nullopt;
  return sign * (hours(*h) + minutes(*m));
}

struct Unit {
  char letter;
  std::int64_t seconds;
};
constexpr std::array<Unit, 4> units = {Unit{'d', 86400}, Unit{'h', 3600}, Unit{'m', 60}, Unit{'s', 1}};

}  // namespace

std::string to_rfc3339(SystemTime time) {
  const Broken t(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year(), t.month(), t.day_of_month(),
                     t.clock.hours().count(), t.clock.minutes().count(), t.clock.seconds().count());
}

std::optional<SystemTime> from_rfc3339(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !take(text, 't')) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return SystemTime(*date) + *clock + *fraction - *zone;
}

std::string to_rfc5322(SystemTime time) {
  static constexpr std::array<const char*, 7> day_names = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> month_names = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Broken t(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", day_names[weekday(t.day).c_encoding()],
                     t.day_of_month(), month_names[t.month() - 1], t.year(), t.clock.hours().count(),
                     t.clock.minutes().count(), t.clock.seconds().count());
}

std::string to_utc_day(SystemTime time) {
  const Broken t(time);
  return fmt::format("{:04}-{:02}-{:02}", t.year(), t.month(), t.day_of_month());
}

std::optional<seconds> parse_duration(std::string_view text) {
  constexpr std::uint64_t most = 36525ULL * 86400;  // a century: keeps every later sum far from overflow
  std::uint64_t total = 0;
  std::size_t next_unit = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto value = text::parse_u64(text.substr(0, digits));
    if (!value || digits == text.size()) return std::nullopt;
    std::size_t unit = next_unit;
    while (unit < units.size() && units[unit].letter != text[digits]) ++unit;
    if (unit == units.size()) return std::nullopt;
    const auto scale = static_cast<std::uint64_t>(units[unit].seconds);
    if (*value > most / scale) return std::nullopt;
    total += *value * scale;
    next_unit = unit + 1;
    text.remove_prefix(digits + 1);
  }
  if (total > most) return std::nullopt;
  return seconds(static_cast<std::int64_t>(total));
}

std::string to_duration_text(seconds duration) {
  std::int64_t left = duration.count();
  if (left <= 0) return "0s";
  std::string out;
  for (const Unit& unit : units) {
    if (left >= unit.seconds)
      fmt::format_to(std::back_inserter(out), "{}{}", left / unit.seconds, unit.letter);
    left %= unit.seconds;
  }
  return out;
}

}  // namespace sealpost
