// SPDX-License-Identifier: Apache-2.0
#include "base/i_json.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/text.hpp"

namespace sealpost {
namespace {

using Json = nlohmann::json;
constexpr std::size_t most_shown = 60;  // octets of a name in an error

// Events of nlohmann's parser, which keeps no call stack: depth costs heap, and ours is bounded.
class Checker final : public nlohmann::json_sax<Json> {
 public:
  explicit Checker(const JsonBounds& bounds) : bounds_(bounds) {}
  const Error& error() const { return error_; }

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t number) override {
    if (number < -static_cast<number_integer_t>(most_i_json_number)) return too_big();
    return value();
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (number > most_i_json_number) return too_big();
    return value();
  }
  // Fractions are allowed; whole numbers too long for 64 bits come here as well.
  bool number_float(number_float_t number, const string_t&) override {
    const double most = static_cast<double>(most_i_json_number);
    if (!(number <= most && number >= -most)) return too_big();
    return value();
  }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return fail(Errc::invalid, "binary data"); }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    if (level.names.size() >= bounds_.members)
      return fail(Errc::too_long, "more than " + std::to_string(bounds_.members) + " members");
    if (!level.names.insert(name).second)
      return fail(Errc::invalid, "member '" + text::printable(name, most_shown) + "' is there twice");
    level.name = name;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 3: syntax error while ..."
    std::string words = error.what();
    if (const auto bracket = words.find("] "); bracket != std::string::npos) words.erase(0, bracket + 2);
    error_ = Error(Errc::invalid,
                   where() + "octet " + std::to_string(position) + ": " + text::printable(words, 300));
    return false;
  }

 private:
  struct Level {
    bool object = false;
    std::size_t index = 0;  // of an array: values so far
    std::string name;       // of an object: the member being read
    std::set<std::string> names;
  };

  std::string where() const {
    std::string path;
    for (const Level& level : levels_) {
      const std::string step = level.object ? text::printable(level.name, most_shown)
                                            : std::to_string(level.index > 0 ? level.index - 1 : 0);
      if (!step.empty()) path += "/" + step;
    }
    return path.empty() ? std::string() : path + ": ";
  }
  bool fail(Errc code, const std::string& why) {
    error_ = Error(code, where() + why);
    return false;
  }
  bool too_big() { return fail(Errc::invalid, "a number beyond 2^53-1 (RFC 7493 2.2)"); }
  bool value() {
    if (++values_ > bounds_.values)
      return fail(Errc::too_long, "more than " + std::to_string(bounds_.values) + " values in all");
    if (!levels_.empty()) ++levels_.back().index;
    return true;
  }
  bool open(bool object) {
    if (!value()) return false;
    if (levels_.size() >= bounds_.depth)
      return fail(Errc::too_long, "nested deeper than " + std::to_string(bounds_.depth));
    levels_.emplace_back();
    levels_.back().object = object;
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  const JsonBounds& bounds_;
  std::vector<Level> levels_;
  std::size_t values_ = 0;
  Error error_{Errc::invalid, "no JSON"};
};

}  // namespace

Expected<Json> parse_i_json(std::string_view text, const JsonBounds& bounds) {
  Checker checker(bounds);
  if (!Json::sax_parse(text.begin(), text.end(), &checker)) return checker.error();
  return Json::parse(text.begin(), text.end(), nullptr, false);
}

}  // namespace sealpost
